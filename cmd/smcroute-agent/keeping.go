package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/smcroute/kube-smcroute/agent/keep"
	"github.com/smcroute/kube-smcroute/agent/kernel"
	"github.com/smcroute/kube-smcroute/agent/kernel/linux"
	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/agent/netns"
	"github.com/smcroute/kube-smcroute/agent/spread"
	"github.com/smcroute/kube-smcroute/cmd/internal/logging"
)

// Times that a keeper may take to answer, and to hand over what it holds, until the
// tables are tried without it: at first, which is short since packets may be
// waiting for an agent if there is no keeper, and in the end, if the tables are
// taken.
const firstKeeperTime, lastKeeperTime = 200 * time.Millisecond, 5 * time.Second

// keeping is what an agent that has the tables has of the keeper. A keeper serves
// one agent at a time, whatever their tables: what it holds is that agent's.
type keeping struct {
	keeper  *keep.Keeper
	records *keep.Records
	lock    *os.File // of the file beside the keeper's socket
}

// errTaken is that another agent has the keeper. It has the tables, too.
var errTaken = &kernel.Error{Op: "flock", Errno: syscall.EWOULDBLOCK, Cause: kernel.ErrTableBusy}

// reach takes the keeper for this agent. It need not answer.
func (s *service) reach(ctx context.Context) error {
	lock, err := os.OpenFile(s.keeper+".agent", os.O_RDWR|os.O_CREATE|syscall.O_CLOEXEC, 0o600)
	if err != nil {
		return fmt.Errorf("--keeper: %w", err)
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = lock.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return errTaken
		}
		return fmt.Errorf("--keeper: locking %s: %w", lock.Name(), err)
	}
	s.keeperTime = min(max(2*s.keeperTime, firstKeeperTime), lastKeeperTime)
	ctx, cancel := context.WithTimeout(ctx, s.keeperTime)
	defer cancel()
	records := keep.NewRecords(keep.RecordsPath(s.keeper))
	records.Log = s.log
	s.kept = &keeping{keep.Open(ctx, s.keeper, s.log), records, lock}
	return nil
}

// leaveKeeper gives the keeper to the next agent, with all that it holds.
func (s *service) leaveKeeper() {
	if s.kept != nil {
		_ = s.kept.keeper.Close()
		_ = s.kept.lock.Close()
	}
	s.kept = nil
}

// claim claims the node's tables. If the keeper holds them they come from there.
func (s *service) claim(ctx context.Context) (kernel.Kernel, error) {
	o := linux.Options{Table: s.table, NetNS: s.netns, Log: s.log}
	if s.keeper == "" {
		return s.open(o)
	}
	err := s.reach(ctx)
	s.taken, s.answered = errors.Is(err, errTaken), err == nil && s.kept.keeper.Lasts()
	if err != nil {
		return nil, err
	}
	o.Keep = s.keep()
	k, err := s.open(o)
	if err != nil {
		s.leaveKeeper()
	}
	return k, err
}

// keep is how the tables are kept; nil: they are not.
func (s *service) keep() *keep.Keeping {
	if s.kept == nil {
		return nil
	}
	return &keep.Keeping{Store: s.kept.keeper, Static: true, Records: s.kept.records}
}

// waitForKeeper reports, when the tables are taken and no agent has the name,
// whether to wait: the keeper may hold them, and does not answer, or another agent
// has it, as one of another table does. If the keeper does answer, the tables are
// another program's.
func (s *service) waitForKeeper() bool {
	switch {
	case s.keeper == "" || s.answered:
		return false
	case s.taken:
		s.standBy()
	default:
		s.lacks()
	}
	return true
}

// lasts reports whether the tables are left as they are when the agent ends.
func (s *service) lasts() bool {
	if s.kept == nil {
		return false
	}
	if s.kept.keeper.Lasts() {
		return true
	}
	s.ends()
	return false
}

// discard empties the tables that the keeper holds for places where nothing is
// wanted any more: where the agent before this one had routers.
func (s *service) discard(wanted []mroute.Place) {
	k := s.keep()
	if k == nil {
		return
	}
	own, err := s.nsid()
	if err != nil {
		s.log.Warn("What the keeper holds for places where nothing is wanted any more stays", "error", err)
		return
	}
	type table struct {
		nsid   string
		number uint32
	}
	keep := []table{{own, s.table}}
	for _, p := range wanted {
		keep = append(keep, table{idOf(p, own), p.Table})
	}
	err = linux.Discard(*k, func(nsid string, number uint32) bool {
		return slices.ContainsFunc(keep, func(t table) bool {
			return t.nsid == nsid && (t.number == number || spread.Beside(t.number, number))
		})
	})
	if err != nil {
		s.log.Warn("What the keeper holds for places where nothing is wanted any more is not all gone", "error", err)
	}
}

// nsid is the identity of the node's network namespace.
func (s *service) nsid() (string, error) {
	ns, err := netns.Open(s.netns)
	if err != nil {
		return "", err
	}
	defer ns.Close()
	return ns.ID()
}

// idOf is that of a place's namespace, own being the node's.
func idOf(p mroute.Place, own string) string {
	if p.NetNS == "" {
		return own
	}
	return p.ID
}

// tellLack says that the keeper is waited for.
func (s *service) tellLack() {
	s.log.Log(context.Background(), logging.LevelNotice,
		"The tables are taken, and the keeper, which may hold them for this agent, does not answer: both are tried again", "socket", s.keeper)
	close(s.lacking)
}

// tellEnd says that nothing is left to the next agent.
func (s *service) tellEnd() {
	s.log.Warn("The keeper does not answer: what is in the kernel goes with this agent", "socket", s.keeper)
}
