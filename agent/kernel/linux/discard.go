package linux

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/smcroute/kube-smcroute/agent/keep"
	"github.com/smcroute/kube-smcroute/agent/kernel"
	"github.com/smcroute/kube-smcroute/agent/kernel/uapi"
	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/agent/netns"
)

// Discard empties and gives up all that the process before has left in places for
// which want is false: those for which nobody has opened a table in this one. Rules
// of our own that lead there go first. netns is the id of the place's network namespace, see [mroute.NetNSID]. Entries
// that the records call another program's stay.
func Discard(keeping keep.Keeping, want func(netns string, table uint32) bool) error {
	var errs []error
	for _, name := range keeping.Store.Names() {
		place, f, owner := parseOwner(name)
		if netns, table, ok := parsePlace(place); owner && ok && !want(netns, table) {
			errs = append(errs, discard(keeping, name, place, table, f))
		}
	}
	for place := range groupPlaces(keeping.Store.Names()) {
		if netns, table, ok := parsePlace(place); ok && !want(netns, table) {
			for _, f := range mroute.Families {
				dropNewestFirst(keeping.Store, groupsPrefix(place, f), func(string) bool { return true })
			}
		}
	}
	errs = append(errs, discardRecorded(keeping, want))
	return errors.Join(errs...)
}

// discardRecorded empties tables of the process's own namespace that nobody held
// any more, and whose VIFs and entries the kernel keeps all the same. Records of
// other namespaces stay, for the day when somebody opens them.
func discardRecorded(keeping keep.Keeping, want func(netns string, table uint32) bool) error {
	if !keeping.Static || keeping.Records == nil {
		return nil
	}
	ns, err := netns.Open("")
	if err != nil {
		return err
	}
	own, err := ns.ID()
	if err != nil {
		return err
	}
	var errs []error
	done := map[uint32]bool{}
	for _, record := range keeping.Records.Tables() {
		parts := strings.SplitN(record, "/", 3)
		if len(parts) < 3 {
			continue
		}
		id, table, ok := parsePlace(parts[0] + "/" + parts[1])
		if !ok || id != own || done[table] || want(id, table) {
			continue
		}
		done[table] = true
		k, err := Open(Options{Table: table, Keep: &keeping})
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if table != 0 { // there packets go by themselves
			for _, f := range mroute.Families {
				errs = append(errs, k.unlead(f, table))
			}
		}
		errs = append(errs, k.Close())
	}
	return errors.Join(errs...)
}

// discard empties one table and gives it up.
func discard(keeping keep.Keeping, name, place string, table uint32, f mroute.Family) error {
	file := keeping.Store.Get(name)
	if file == nil {
		return nil
	}
	defer file.Close()
	fd, err := duplicate(file)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if table != 0 { // there packets go by themselves
		if err := unlead(fd, f, table); err != nil {
			return err
		}
	}
	record := recordName(place, f, netnsCookie(fd))
	if keeping.Static && keeping.Records != nil {
		if foreign, own := keeping.Records.Of(record); !own || len(foreign) > 0 {
			return discardOwn(keeping, fd, table)
		}
	}
	if keeping.Static {
		err = flushAll(f, fd)
	} else {
		err = unix.SetsockoptInt(fd, level(f), uapi.MRTDone, 1)
	}
	if err != nil {
		return fmt.Errorf("%v table %d of network namespace %s, which nobody wants: %w", f, table, place, err)
	}
	keeping.Store.Drop(name)
	if keeping.Records != nil {
		return keeping.Records.Forget(record)
	}
	return nil
}

// discardOwn removes what is known to be this program's own from a table that may
// hold another's as well.
func discardOwn(keeping keep.Keeping, fd int, table uint32) error {
	return namespaceOf(fd, func(path string) error {
		k, err := Open(Options{NetNS: path, Table: table, Keep: &keeping})
		if err != nil {
			return err
		}
		return k.Close()
	})
}

// namespaceOf calls f with the path of a socket's network namespace.
func namespaceOf(fd int, f func(path string) error) error {
	ns, err := unix.IoctlRetInt(fd, unix.SIOCGSKNS)
	if err != nil {
		return fmt.Errorf("network namespace of a socket: %w", err)
	}
	file := os.NewFile(uintptr(ns), "network namespace")
	defer file.Close()
	return f(fmt.Sprintf("/proc/self/fd/%d", ns))
}

// unlead removes the rules of our own that lead to a table, whose owner's socket is fd.
func unlead(fd int, f mroute.Family, table uint32) error {
	return namespaceOf(fd, func(path string) error {
		ns, err := netns.Open(path)
		if err != nil {
			return err
		}
		defer ns.Close()
		k := Kernel{ns: ns}
		return k.unlead(f, table)
	})
}

// unlead removes the rules of our own that lead to a table, which is not the default
// one.
func (k *Kernel) unlead(f mroute.Family, table uint32) error {
	rules, err := k.listRules(f)
	if errors.Is(err, kernel.ErrNotSupported) {
		return nil
	}
	if err != nil {
		return err
	}
	return k.DeleteRules(slices.DeleteFunc(rules, func(r kernel.Rule) bool { return !r.Own || !r.Plain() || r.Table != table }))
}

// parseOwner takes the name of an owner's socket apart.
func parseOwner(name string) (place string, f mroute.Family, ok bool) {
	for _, f := range mroute.Families {
		if place, ok := strings.CutSuffix(name, familyName("", f)+keep.OwnerSuffix); ok {
			return place, f, true
		}
	}
	return "", 0, false
}

// groupPlaces are the places of which there are memberships.
func groupPlaces(names []string) map[string]bool {
	places := map[string]bool{}
	for _, name := range names {
		for _, f := range mroute.Families {
			if place, _, ok := strings.Cut(name, groupsPrefix("", f)); ok {
				places[place] = true
			}
		}
	}
	return places
}

// parsePlace is false for what placeName does not write.
func parsePlace(place string) (netns string, table uint32, ok bool) {
	netns, number, _ := strings.Cut(place, "/")
	n, err := strconv.ParseUint(number, 10, 32)
	return strings.Replace(netns, "-", ":", 1), uint32(n), err == nil
}
