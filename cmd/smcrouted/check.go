package main

import (
	"fmt"
	"io"
	"net"

	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// check is -F: it reads a configuration without acting on it. Messages go to
// stdout. It needs no privileges.
func check(f flags, stdout io.Writer, p parts) int {
	links, err := p.links()
	if err != nil {
		fmt.Fprintf(stdout, "smcrouted: interfaces of this system: %v\n", err)
		return exitOSErr
	}
	if !p.check(stdout, f.check, f.noPhyint, links) {
		return exitConfig
	}
	return exitOK
}

// listLinks lists the interfaces of this network namespace.
func listLinks() ([]mroute.Link, error) {
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	links := make([]mroute.Link, 0, len(interfaces))
	for _, i := range interfaces {
		links = append(links, mroute.Link{
			Index:     i.Index,
			Name:      i.Name,
			Up:        i.Flags&net.FlagUp != 0,
			Multicast: i.Flags&net.FlagMulticast != 0,
			Loopback:  i.Flags&net.FlagLoopback != 0,
		})
	}
	return links, nil
}
