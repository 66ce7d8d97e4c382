package alerts

// ofTarget are the labels that Prometheus gives to all that it reads; of pods it
// gives these two more to what the PodMonitors ask for.
var ofTarget, ofPod = []string{"job", "instance"}, []string{"namespace", "pod"}

// metricsThatExist lists metrics, with their labels.
func metricsThatExist() map[string][]string {
	all := map[string][]string{"up": ofTarget}
	for name, labels := range map[string][]string{
		"smcroute_build_info":                          {"version", "goversion"},
		"smcroute_router_up":                           {"router"},
		"smcroute_route_packets_total":                 {"router", "route"},
		"smcroute_route_bytes_total":                   {"router", "route"},
		"smcroute_route_wrong_interface_packets_total": {"router", "route"},
		"smcroute_route_idle_seconds":                  {"router", "route"},
		"smcroute_route_flows":                         {"router", "route"},
		"smcroute_vifs":                                {"router", "family"},
		"smcroute_vifs_limit":                          {"router", "family"},
		"smcroute_entries":                             {"router", "family", "kind"},
		"smcroute_flows_limit":                         {"router"},
		"smcroute_flows_limit_reached":                 {"router"},
		"smcroute_flows_evicted_total":                 {"router"},
		"smcroute_flows_refused_total":                 {"router"},
		"smcroute_pending_rules":                       {"router", "cause"},
		"smcroute_joins":                               {"router", "family"},
		"smcroute_upcalls_total":                       {"router", "family", "kind"},
		"smcroute_upcalls_lost_total":                  {"router", "family"},
		"smcroute_learn_duration_seconds_bucket":       {"router", "le"},
		"smcroute_install_duration_seconds_bucket":     {"router", "le"},
		"smcroute_kernel_errors_total":                 {"router", "op", "errno"},
		"smcroute_dropped_packets_total":               {"router", "cause"},
		"smcroute_config_reload_success":               nil,
	} {
		all[name] = append(labels, ofTarget...)
	}
	for name, labels := range map[string][]string{
		"smcroute_controller_nodes":  {"state"},
		"smcroute_controller_routes": {"condition", "status"},
	} {
		all[name] = append(append(labels, ofTarget...), ofPod...)
	}
	return all
}
