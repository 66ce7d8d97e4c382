package netlab

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// Memberships lists the groups that some socket joined on link, in order of
// group and source, without those that the kernel joins by itself: all hosts,
// solicited nodes. A group joined for certain sources gives an (S,G) each,
// other groups (*,G); when a group is joined in both ways, only the sources
// show, since the kernel's files do not tell. They show no sources at all while
// the group that was joined last on the link has none.
func (ns *NS) Memberships(link string) []mroute.SG {
	ns.tb.Helper()
	index := ns.Index(link)
	var files struct{ igmp, mcfilter, igmp6, mcfilter6 []byte }
	err := ns.Do(func() (err error) {
		read := func(name string) (b []byte) {
			b, fileErr := readProc(name)
			if !errors.Is(fileErr, os.ErrNotExist) { // no IPv6
				err = errors.Join(err, fileErr)
			}
			return b
		}
		files.igmp, files.mcfilter = read("igmp"), read("mcfilter")
		files.igmp6, files.mcfilter6 = read("igmp6"), read("mcfilter6")
		return err
	})
	var sgs []mroute.SG
	if err == nil {
		var sgs4, sgs6 []mroute.SG
		sgs4, err = parseMemberships(index, files.igmp, files.mcfilter, parseIGMP)
		if err == nil {
			sgs6, err = parseMemberships(index, files.igmp6, files.mcfilter6, parseIGMP6)
		}
		sgs = append(sgs4, sgs6...)
	}
	if err != nil {
		ns.tb.Fatalf("netlab: memberships on %s: %v", link, err)
	}
	slices.SortFunc(sgs, mroute.SG.Compare)
	return sgs
}

// readProc reads a file of /proc/net as the calling thread sees it.
func readProc(name string) ([]byte, error) { return os.ReadFile("/proc/thread-self/net/" + name) }

// parseMemberships unites the groups that list finds with their sources in
// filter, a file in the format of /proc/net/mcfilter or mcfilter6:
//
//	Idx Device        MCA        SRC    INC    EXC
//	  2   eth0 0xe1010101 0x01020304      1      0
func parseMemberships(index int, file, filter []byte, list func(int, []byte) ([]netip.Addr, error)) ([]mroute.SG, error) {
	groups, err := list(index, file)
	if err != nil {
		return nil, err
	}
	sources := map[netip.Addr][]netip.Addr{}
	for line := range strings.Lines(string(filter)) {
		f := strings.Fields(line)
		if len(f) != 6 || f[0] != strconv.Itoa(index) {
			continue
		}
		group, err1 := parseHex(strings.TrimPrefix(f[2], "0x"))
		source, err2 := parseHex(strings.TrimPrefix(f[3], "0x"))
		if err := errors.Join(err1, err2); err != nil {
			return nil, fmt.Errorf("source filter %q: %w", line, err)
		}
		if f[4] != "0" {
			sources[group] = append(sources[group], source)
		}
	}
	var sgs []mroute.SG
	for _, g := range groups {
		if automatic(g) {
			continue
		}
		for _, s := range sources[g] {
			sgs = append(sgs, mroute.SG{Source: s, Group: g})
		}
		if sources[g] == nil {
			sgs = append(sgs, mroute.SG{Group: g})
		}
	}
	return sgs, nil
}

// automatic reports whether the kernel joins g on every link by itself.
func automatic(g netip.Addr) bool {
	return g == allHosts4 || g == allNodes6 || g == allNodesHost6 || solicitedNode.Contains(g)
}

var (
	allHosts4     = netip.MustParseAddr("224.0.0.1")
	allNodes6     = netip.MustParseAddr("ff02::1")
	allNodesHost6 = netip.MustParseAddr("ff01::1")
	solicitedNode = netip.MustParsePrefix("ff02::1:ff00:0/104")
)

// parseIGMP lists the groups of a link in /proc/net/igmp. Groups are on the
// lines below their link's, as a number in the machine's byte order:
//
//	2	eth0      :     2      V3
//					010101E1     1 0:00000000		0
func parseIGMP(index int, file []byte) (groups []netip.Addr, err error) {
	current := ""
	for i, line := range slices.Collect(bytes.Lines(file)) {
		f := strings.Fields(string(line))
		switch {
		case i == 0 || len(f) == 0: // heading
		case line[0] != '\t':
			current = f[0]
		case current == strconv.Itoa(index):
			n, err := strconv.ParseUint(f[0], 16, 32)
			if err != nil {
				return nil, fmt.Errorf("igmp line %d: %w", i+1, err)
			}
			groups = append(groups, netip.AddrFrom4([4]byte(binary.NativeEndian.AppendUint32(nil, uint32(n)))))
		}
	}
	return groups, nil
}

// parseIGMP6 lists the groups of a link in /proc/net/igmp6:
//
//	2    eth0            ff02000000000000000000000000006a     2 00000004 0
func parseIGMP6(index int, file []byte) (groups []netip.Addr, err error) {
	for line := range strings.Lines(string(file)) {
		f := strings.Fields(line)
		if len(f) < 3 || f[0] != strconv.Itoa(index) {
			continue
		}
		group, err := parseHex(f[2])
		if err != nil {
			return nil, fmt.Errorf("igmp6 %q: %w", line, err)
		}
		groups = append(groups, group)
	}
	return groups, nil
}

func parseHex(s string) (netip.Addr, error) {
	b, err := hex.DecodeString(s)
	if err != nil {
		return netip.Addr{}, err
	}
	a, ok := netip.AddrFromSlice(b)
	if !ok {
		return netip.Addr{}, fmt.Errorf("address %q: expected 8 or 32 hexadecimal digits", s)
	}
	return a, nil
}
