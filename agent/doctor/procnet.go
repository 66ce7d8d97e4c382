package doctor

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"github.com/smcroute/kube-smcroute/agent/doctor/diagnose"
	"github.com/smcroute/kube-smcroute/agent/view"
)

// ownNet is what /proc/net is for the thread that reads.
const ownNet = "/proc/thread-self/net/"

// readCounters reads the kernel's counters, by nstat's names.
func readCounters() (map[string]uint64, error) {
	counters := map[string]uint64{}
	var errs []error
	for _, name := range []string{"snmp", "netstat", "snmp6"} {
		text, err := os.ReadFile(ownNet + name)
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // there is no IPv6
			errs = append(errs, err)
		}
		parseCounters(string(text), counters)
	}
	if text, err := os.ReadFile(ownNet + "stat/nf_conntrack"); err == nil {
		counters["conntrack drop"] = parseConntrack(string(text))
	}
	return counters, errors.Join(errs...)
}

// parseCounters reads /proc/net/snmp and netstat, where two lines belong
// together, "Ip: NAMES" and "Ip: VALUES", and snmp6, with one counter a line.
func parseCounters(text string, counters map[string]uint64) {
	var names []string
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		switch {
		case len(words) < 2:
		case !strings.HasSuffix(words[0], ":"):
			if n, err := strconv.ParseUint(words[1], 10, 64); err == nil {
				counters[words[0]] = n
			}
		case len(names) == len(words) && names[0] == words[0]:
			group := strings.TrimSuffix(words[0], ":")
			for i, w := range words[1:] {
				if n, err := strconv.ParseUint(w, 10, 64); err == nil {
					counters[group+names[i+1]] = n
				}
			}
			names = nil
		default:
			names = words
		}
	}
}

// parseConntrack sums up the column "drop" of /proc/net/stat/nf_conntrack: a line
// of names, and a line of hexadecimal numbers for each processor.
func parseConntrack(text string) (sum uint64) {
	column := -1
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if column < 0 {
			for i, w := range words {
				if w == "drop" {
					column = i
				}
			}
			if column < 0 {
				return 0
			}
			continue
		}
		if column < len(words) {
			n, _ := strconv.ParseUint(words[column], 16, 64)
			sum += n
		}
	}
	return sum
}

// parseIGMP reads the format of /proc/net/igmp: a line for each interface, and
// below it one for each group, in hexadecimal.
//
//	Idx	Device    : Count Querier	Group    Users Timer	Reporter
//	4	eth0      :     1      V3
//					010000E0     1 0:00000000		0
func parseIGMP(text string, found func(index int, name string, group netip.Addr)) {
	index, name := 0, ""
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) < 2 {
			continue
		}
		if line[0] != '\t' && line[0] != ' ' {
			index, _ = strconv.Atoi(words[0])
			name = strings.TrimSuffix(words[1], ":")
			continue
		}
		if group, ok := hexAddr4(words[0]); ok && name != "" {
			found(index, name, group)
		}
	}
}

// parseIGMP6 reads the format of /proc/net/igmp6: index, name and group first.
func parseIGMP6(text string, found func(index int, name string, group netip.Addr)) {
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) < 3 {
			continue
		}
		index, err := strconv.Atoi(words[0])
		b, hexErr := hex.DecodeString(words[2])
		if group, ok := netip.AddrFromSlice(b); ok && group.Is6() && err == nil && hexErr == nil {
			found(index, words[1], group)
		}
	}
}

// hexAddr4 reads an address as the kernel prints it: as a number of its own byte
// order.
func hexAddr4(word string) (netip.Addr, bool) {
	n, err := strconv.ParseUint(word, 16, 32)
	if err != nil || len(word) != 8 {
		return netip.Addr{}, false
	}
	var b [4]byte
	binary.NativeEndian.PutUint32(b[:], uint32(n))
	return netip.AddrFrom4(b), true
}

// memberships reads what is joined, from a directory as /proc/net is, and the
// numbers of interfaces. Those that each system joins by itself are not of
// interest: of scope link-local and below.
func memberships(dir string) (joined []view.Membership, names map[int]string, err error) {
	names = map[int]string{}
	found := func(index int, name string, group netip.Addr) {
		names[index] = name
		if group.IsMulticast() && !group.IsLinkLocalMulticast() && !group.IsInterfaceLocalMulticast() {
			joined = append(joined, view.Membership{Group: view.NetOf(group), If: name})
		}
	}
	four, err := os.ReadFile(dir + "igmp")
	if err != nil {
		return nil, nil, err
	}
	parseIGMP(string(four), found)
	if six, err := os.ReadFile(dir + "igmp6"); err == nil {
		parseIGMP6(string(six), found)
	}
	return joined, names, nil
}

func (l *look) readMemberships() {
	var err error
	if l.Joined, _, err = memberships(ownNet); err != nil {
		l.unseen("memberships", err)
	}
}

// readThresholds reads those of the kernel's entries, of its first table.
func (l *look) readThresholds() {
	vifs, err := os.ReadFile(ownNet + "ip_mr_vif")
	if err != nil {
		return // the kernel lacks it, and so has no entry
	}
	if cache, err := os.ReadFile(ownNet + "ip_mr_cache"); err == nil {
		l.Thresholds = parseThresholds(string(vifs), string(cache))
	}
}

// parseThresholds reads the formats of /proc/net/ip_mr_vif and ip_mr_cache:
//
//	Interface      BytesIn  PktsIn  BytesOut PktsOut Flags Local    Remote
//	 0 eth0            460       5         0       0 00008 00000002 00000000
//
//	Group    Origin   Iif     Pkts    Bytes    Wrong Oifs
//	010101EF 010200C0 0          5      460        0  1:1    2:16
func parseThresholds(vifs, cache string) (thresholds []diagnose.Threshold) {
	names := map[string]string{}
	for line := range strings.Lines(vifs) {
		if words := strings.Fields(line); len(words) > 1 {
			names[words[0]] = words[1]
		}
	}
	for line := range strings.Lines(cache) {
		words := strings.Fields(line)
		if len(words) < 6 {
			continue
		}
		group, ok := hexAddr4(words[0])
		source, also := hexAddr4(words[1])
		if !ok || !also {
			continue
		}
		if source.IsUnspecified() {
			source = netip.Addr{}
		}
		for _, output := range words[6:] {
			number, ttl, _ := strings.Cut(output, ":")
			n, err := strconv.ParseUint(ttl, 10, 8)
			if name := names[number]; name != "" && err == nil {
				thresholds = append(thresholds, diagnose.Threshold{Source: source, Group: group, Link: name, TTL: uint8(n)})
			}
		}
	}
	return thresholds
}
