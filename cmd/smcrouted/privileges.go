package main

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"

	"kernel.org/pub/linux/libs/security/libcap/cap"

	"github.com/smcroute/kube-smcroute/cmd/internal/exitcode"
)

// needed is what the kernel asks of a multicast router.
var needed = []cap.Value{cap.NET_ADMIN, cap.NET_RAW}

// checkCapabilities fails if this process lacks one of those needed. It need
// not be root.
func checkCapabilities() error {
	have := cap.GetProc()
	var missing []string
	for _, c := range needed {
		if ok, err := have.GetFlag(cap.Effective, c); err != nil || !ok {
			missing = append(missing, strings.ToUpper(c.String()))
		}
	}
	if missing == nil {
		return nil
	}
	return &exitError{exitcode.NoPerm, fmt.Errorf("multicast routing needs the privileges of root, or %s (missing: %s)",
		"CAP_NET_ADMIN and CAP_NET_RAW", strings.Join(missing, " "))}
}

// account is whom the daemon runs as after -p.
type account struct {
	name     string
	uid, gid int
	groups   []int // supplementary
}

// lookupAccount reads the argument of -p, USER[:GROUP]. Either may be a number.
// The default for GROUP is the user's own.
func lookupAccount(arg string) (*account, error) {
	userName, groupName, hasGroup := strings.Cut(arg, ":")
	u, err := user.Lookup(userName)
	if err != nil {
		byID, idErr := user.LookupId(userName)
		if idErr != nil {
			return nil, fmt.Errorf("-p %s: there is no user %q", arg, userName)
		}
		u = byID
	}
	gid := u.Gid
	if hasGroup {
		g, err := user.LookupGroup(groupName)
		if err != nil {
			byID, idErr := user.LookupGroupId(groupName)
			if idErr != nil {
				return nil, fmt.Errorf("-p %s: there is no group %q", arg, groupName)
			}
			g = byID
		}
		gid = g.Gid
	}
	groups, err := u.GroupIds()
	if err != nil {
		return nil, fmt.Errorf("-p %s: groups of the user: %w", arg, err)
	}
	a := &account{name: u.Username}
	if a.uid, err = strconv.Atoi(u.Uid); err != nil {
		return nil, fmt.Errorf("-p %s: user ID %q is not a number", arg, u.Uid)
	}
	if a.gid, err = strconv.Atoi(gid); err != nil {
		return nil, fmt.Errorf("-p %s: group ID %q is not a number", arg, gid)
	}
	for _, g := range groups {
		n, err := strconv.Atoi(g)
		if err != nil {
			return nil, fmt.Errorf("-p %s: group ID %q is not a number", arg, g)
		}
		a.groups = append(a.groups, n)
	}
	return a, nil
}

// become changes every thread of the process to a, with the capabilities needed
// and no others. It cannot be undone. After an error the process is in between
// and must end.
func (a *account) become() error {
	if err := cap.SetGroups(a.gid, a.groups...); err != nil {
		return fmt.Errorf("changing to the groups of %s: %w", a.name, err)
	}
	if err := cap.SetUID(a.uid); err != nil {
		return fmt.Errorf("changing to user %s: %w", a.name, err)
	}
	keep := cap.NewSet()
	for _, flag := range []cap.Flag{cap.Permitted, cap.Effective} {
		if err := keep.SetFlag(flag, true, needed...); err != nil {
			return fmt.Errorf("keeping %v: %w", needed, err)
		}
	}
	if err := keep.SetProc(); err != nil {
		return fmt.Errorf("keeping only %v: %w", needed, err)
	}
	return a.verify(keep)
}

// verify trusts nobody's return value with this.
func (a *account) verify(keep *cap.Set) error {
	if os.Getuid() != a.uid || os.Geteuid() != a.uid || os.Getgid() != a.gid || os.Getegid() != a.gid {
		return fmt.Errorf("changing to %s: now uid %d, gid %d; expected %d, %d",
			a.name, os.Geteuid(), os.Getegid(), a.uid, a.gid)
	}
	groups, err := os.Getgroups()
	if err != nil {
		return err
	}
	for _, g := range groups {
		if g != a.gid && !slices.Contains(a.groups, g) {
			return fmt.Errorf("changing to %s: still in group %d", a.name, g)
		}
	}
	if diff, err := cap.GetProc().Cf(keep); err != nil || diff != 0 {
		return errors.Join(err, fmt.Errorf("changing to %s: capabilities are %v, expected %v", a.name, cap.GetProc(), keep))
	}
	return nil
}
