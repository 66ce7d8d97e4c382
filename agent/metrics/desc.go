package metrics

// Kind is the type of a metric.
type Kind uint8

// The kinds.
const (
	Gauge Kind = iota
	Counter
	Histogram
)

// String returns the word of the text formats.
func (k Kind) String() string { return [...]string{"gauge", "counter", "histogram"}[k] }

// Desc describes a metric.
type Desc struct {
	Name   string // as in queries; of a histogram without _bucket, _sum and _count
	Kind   Kind
	Labels []string
	Help   string // a sentence without its full stop
}

// Words that labels have in common.
const (
	router = "router"
	route  = "route"
	family = "family"
	kind   = "kind"
	cause  = "cause"
)

var flowLabels = []string{router, "source", "group", "iif"}

// What there is, in the order in which it is served.
var (
	buildInfo = &Desc{"smcroute_build_info", Gauge, []string{"version", "goversion"}, "1, for the program of this version, made with this version of Go"}
	routerUp  = &Desc{"smcroute_router_up", Gauge, []string{router}, "Whether the router has its tables and answers, 1 or 0"}

	routePackets = &Desc{"smcroute_route_packets_total", Counter, []string{router, route}, "Packets of the route's flows that the kernel has counted, forwarded or not"}
	routeBytes   = &Desc{"smcroute_route_bytes_total", Counter, []string{router, route}, "Bytes of these packets, with their IP headers"}
	routeWrong   = &Desc{"smcroute_route_wrong_interface_packets_total", Counter, []string{router, route}, "Those of these packets that arrived on another interface than their flow's, and were dropped"}
	routeIdle    = &Desc{"smcroute_route_idle_seconds", Gauge, []string{router, route}, "Time since the last packet of any flow of the route, or if there was none since the route is known"}
	routeFlows   = &Desc{"smcroute_route_flows", Gauge, []string{router, route}, "Entries of the kernel that forward for the route, each one flow, or all of a group; 0 of a rule without outputs"}

	flowPackets = &Desc{"smcroute_flow_packets_total", Counter, flowLabels, "Packets that the entry of the flow has counted, forwarded or not"}
	flowBytes   = &Desc{"smcroute_flow_bytes_total", Counter, flowLabels, "Bytes of these packets, with their IP headers"}
	flowWrong   = &Desc{"smcroute_flow_wrong_interface_packets_total", Counter, flowLabels, "Those of these packets that arrived on another interface than iif, and were dropped"}
	flowIdle    = &Desc{"smcroute_flow_idle_seconds", Gauge, flowLabels, "Time since the last packet of the flow, or if there was none since its entry was made"}

	omitted = &Desc{"smcroute_series_omitted", Gauge, []string{kind}, "Routes and flows that have no series of their own, because there are too many"}

	vifs      = &Desc{"smcroute_vifs", Gauge, []string{router, family}, "Interfaces that have a number in the kernel's table (VIF, MIF)"}
	vifsLimit = &Desc{"smcroute_vifs_limit", Gauge, []string{router, family}, "How many can have: 32 for each table in use"}
	entries   = &Desc{"smcroute_entries", Gauge, []string{router, family, kind}, "Entries of the forwarding cache"}

	flowsLimit   = &Desc{"smcroute_flows_limit", Gauge, []string{router}, "How many entries packets may make; 0: any number"}
	flowsReached = &Desc{"smcroute_flows_limit_reached", Gauge, []string{router}, "Whether that limit is at work, or was within a minute, 1 or 0"}
	flowsEvicted = &Desc{"smcroute_flows_evicted_total", Counter, []string{router}, "Entries that had to make room for others before their time"}
	flowsRefused = &Desc{"smcroute_flows_refused_total", Counter, []string{router}, "Flows that were not forwarded for lack of room"}

	rules   = &Desc{"smcroute_rules", Gauge, []string{router}, "Rules in force, one for each inbound interface of a route"}
	pending = &Desc{"smcroute_pending_rules", Gauge, []string{router, cause}, "Rules and memberships that are not wholly in the kernel"}
	joins   = &Desc{"smcroute_joins", Gauge, []string{router, family}, "Group memberships that the kernel holds"}

	upcalls     = &Desc{"smcroute_upcalls_total", Counter, []string{router, family, kind}, "Questions of the kernel that were read"}
	upcallsLost = &Desc{"smcroute_upcalls_lost_total", Counter, []string{router, family}, "Questions that the kernel dropped because too many were waiting"}
	learn       = &Desc{"smcroute_learn_duration_seconds", Histogram, []string{router}, "From a question of the kernel being read until its answer, an entry, is in the kernel"}
	install     = &Desc{"smcroute_install_duration_seconds", Histogram, []string{router}, "What a batch of changes to the kernel took"}
	kernelErrs  = &Desc{"smcroute_kernel_errors_total", Counter, []string{router, "op", "errno"}, "Calls that the kernel refused"}
	dropped     = &Desc{"smcroute_dropped_packets_total", Counter, []string{router, cause}, "Packets that reached the router and were dropped there"}

	reloadOK   = &Desc{"smcroute_config_reload_success", Gauge, nil, "Whether the configuration file was read without an error the last time, 1 or 0"}
	reloadTime = &Desc{"smcroute_config_reload_timestamp_seconds", Gauge, nil, "When it was read without an error for the last time, in seconds since 1970"}
)

var all = []*Desc{
	buildInfo, routerUp,
	routePackets, routeBytes, routeWrong, routeIdle, routeFlows,
	flowPackets, flowBytes, flowWrong, flowIdle,
	omitted,
	vifs, vifsLimit, entries,
	flowsLimit, flowsReached, flowsEvicted, flowsRefused,
	rules, pending, joins,
	upcalls, upcallsLost, learn, install, kernelErrs, dropped,
	reloadOK, reloadTime,
}

// All lists what routers tell, in the order in which it is served.
func All() []Desc {
	list := make([]Desc, len(all))
	for i, d := range all {
		list[i] = *d
	}
	return list
}

// Names lists the names by which series can be asked for: a histogram has three.
func Names() []string {
	var names []string
	for _, d := range all {
		if d.Kind != Histogram {
			names = append(names, d.Name)
			continue
		}
		for _, suffix := range []string{"_bucket", "_sum", "_count"} {
			names = append(names, d.Name+suffix)
		}
	}
	return names
}

// Words of the label cause of smcroute_dropped_packets_total.
const (
	noRule         = "no_rule"
	noOutput       = "no_output"
	flowLimit      = "flow_limit"
	wrongInterface = "wrong_interface"
)
