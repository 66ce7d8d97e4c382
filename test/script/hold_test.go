package script

import (
	"golang.org/x/sys/unix"
)

// runHold claims the routing table of one family, as another daemon would,
// until the script ends.
func runHold(l *lab, args []string) (result, error) {
	ns, err := l.namespace(args[0])
	if err != nil {
		return result{}, err
	}
	const mrtInit = 200 // MRT_INIT of mroute.h, MRT6_INIT of mroute6.h
	domain, proto, level := unix.AF_INET, unix.IPPROTO_IGMP, unix.IPPROTO_IP
	switch args[1] {
	case "ipv4":
	case "ipv6":
		domain, proto, level = unix.AF_INET6, unix.IPPROTO_ICMPV6, unix.IPPROTO_IPV6
	default:
		return result{}, usagef("%s is neither ipv4 nor ipv6", args[1])
	}
	return result{}, ns.Do(func() error {
		fd, err := unix.Socket(domain, unix.SOCK_RAW|unix.SOCK_CLOEXEC, proto)
		if err != nil {
			return err
		}
		l.env.Defer(func() { _ = unix.Close(fd) })
		return unix.SetsockoptInt(fd, level, mrtInit, 1)
	})
}
