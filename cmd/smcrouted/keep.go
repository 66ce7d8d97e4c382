package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"github.com/smcroute/kube-smcroute/agent/keep"
	"github.com/smcroute/kube-smcroute/agent/kernel"
	"github.com/smcroute/kube-smcroute/agent/kernel/linux"
	"github.com/smcroute/kube-smcroute/agent/mroute"
	"github.com/smcroute/kube-smcroute/cmd/internal/exitcode"
	"github.com/smcroute/kube-smcroute/cmd/internal/install"
)

const (
	// keeperPatience is how long a keeper may take to start or to stop, and one that
	// answers to tell what it holds.
	keeperPatience = 10 * time.Second

	// dropTime is how long the service manager may take to close what it is told to
	// drop. It does that aside.
	dropTime = 3 * time.Second

	// keeperWatch is how often a daemon looks whether its keeper is still there.
	keeperWatch = 200 * time.Millisecond
)

// open claims the tables. If the service manager has only just been told to give
// them up that can take a moment.
func (s *service) open(ctx context.Context) (kernel.Kernel, error) {
	for deadline := time.Now().Add(dropTime); ; {
		k, err := s.parts.open(linux.Options{Table: s.flags.table, Keep: s.kept.keeping(), Log: s.log})
		if !s.dropped || !busy(k, err) || time.Now().After(deadline) || !sleep(ctx, lockPause) {
			return k, err
		}
		if err == nil {
			_ = k.Close()
		}
	}
}

// busy reports whether another process has the table of a family.
func busy(k kernel.Kernel, err error) bool {
	if err != nil {
		return errors.Is(err, kernel.ErrTableBusy)
	}
	return slices.ContainsFunc(mroute.Families[:], func(f mroute.Family) bool {
		return errors.Is(k.FamilyErr(f), kernel.ErrTableBusy)
	})
}

// kept is how the daemon keeps what it has in the kernel beyond its end: -k. A nil
// kept keeps nothing.
type kept struct {
	keep.Keeping
	log    *slog.Logger
	keeper *keep.Keeper // nil: the service manager has the store
	lock   *keeperLock
	own    bool // this process has started the keeper, which held nothing then

	found bool        // what a process before this one had left
	ready atomic.Bool // the configuration was in force
	told  atomic.Bool // that nothing is kept
}

// keepState decides where to keep things, for -k: by the service manager if it
// offers that, unless a keeper was asked for, else by a keeper, which is started
// if there is none. Without -k the result is nil, and what a start with -k left to
// the service manager is given up.
func (s *service) keepState(ctx context.Context) (*kept, error) {
	manager := s.parts.manager
	if !s.flags.keep {
		if manager != nil {
			s.dropped = len(manager.Names()) > 0
			manager.DropAll()
		}
		return nil, nil
	}
	if manager != nil && s.flags.keeper == "" && s.flags.foreground {
		s.log.Info("The service manager keeps routes and memberships for the next start")
		return &kept{Keeping: keep.Keeping{Store: manager}, log: s.log}, nil
	}
	path := s.keeperPath()
	lock, err := lockKeeper(ctx, path, handOver)
	if err != nil {
		return nil, err
	}
	k := &kept{log: s.log, lock: lock}
	if !keeperAnswers(path) {
		if err := startKeeper(ctx, path); err != nil {
			lock.release()
			return nil, &exitError{exitcode.OSErr, fmt.Errorf("-k: starting a keeper: %w", err)}
		}
		k.own = true
	}
	ctx, cancel := context.WithTimeout(ctx, keeperPatience)
	defer cancel()
	k.keeper = keep.Open(ctx, path, s.log)
	k.own = k.own && len(k.keeper.Names()) == 0
	k.Keeping = keep.Keeping{
		Store:   k.keeper,
		Static:  true,
		Records: keep.NewRecords(keep.RecordsPath(path)),
	}
	k.Records.Log = s.log
	return k, nil
}

// keeperPath is where the daemon's keeper listens.
func (s *service) keeperPath() string {
	if s.flags.keeper != "" {
		return s.flags.keeper
	}
	return install.KeeperPath(s.flags.ident)
}

// keeping is what the kernel is to be opened with.
func (k *kept) keeping() *keep.Keeping {
	if k == nil {
		return nil
	}
	return &k.Keeping
}

// opened notes whether there was something in the tables.
func (k *kept) opened(table kernel.Table) {
	if k == nil {
		return
	}
	for _, f := range mroute.Families {
		if held := table.Held(f); table.FamilyErr(f) == nil && !held.Empty() {
			k.found = true
		}
	}
}

// settle is called when the configuration is in force, and before privileges go.
// What the daemon before this one left elsewhere is emptied.
func (s *service) settle() {
	if s.kept == nil {
		return
	}
	s.kept.ready.Store(true)
	if err := s.parts.discard(s.kept.Keeping, s.flags.table); err != nil {
		s.log.Warn("What was left elsewhere could not be removed", "error", err)
	}
	if s.who == nil || s.kept.keeper == nil {
		return
	}
	// It is read then, and mostly found to be as it should.
	err := os.Lchown(keep.RecordsPath(s.kept.lock.keeper), s.who.uid, s.who.gid)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.log.Warn("The keeper's records stay root's", "error", err)
	}
}

// leaves reports whether the tables are left to the next start. Those of a start
// that failed are not, unless they are those of one before.
func (k *kept) leaves() bool {
	if k == nil || !k.found && !k.ready.Load() {
		return false
	}
	if !k.Store.Lasts() {
		if !k.told.Swap(true) {
			k.log.Warn("Nobody keeps routes and memberships: they end now")
		}
		return false
	}
	return true
}

// watch starts another keeper when there is none any more, until ctx is done.
func (k *kept) watch(ctx context.Context) {
	if k == nil || k.keeper == nil {
		return
	}
	tick := time.NewTicker(keeperWatch)
	defer tick.Stop()
	told := ""
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if k.keeper.Connected() || keeperAnswers(k.lock.keeper) {
			told = ""
			continue
		}
		// The end of this process may need it.
		if err := startKeeper(context.WithoutCancel(ctx), k.lock.keeper); err != nil && told != err.Error() {
			told = err.Error()
			k.log.Warn("The keeper has ended, and another one cannot be started", "error", err)
		}
	}
}

// close lets another daemon have the keeper. A start that failed, and leaves
// nothing, leaves no keeper either.
func (k *kept) close() {
	if k == nil || k.keeper == nil {
		return
	}
	useless := k.own && !k.ready.Load() && len(k.keeper.Names()) == 0
	_ = k.keeper.Close()
	if useless {
		if err := stopKeeper(context.Background(), k.lock.keeper); err != nil {
			k.log.Warn("The keeper that was started for nothing stays", "error", err)
		}
	}
	k.lock.release()
}

// busyHint adds to an error that says that the table is taken who may have it.
func (s *service) busyHint(err error) error {
	path := s.keeperPath()
	if s.flags.keep || !errors.Is(err, kernel.ErrTableBusy) || !keeperAnswers(path) {
		return err
	}
	return fmt.Errorf("%w\nThe keeper at %s may have it for smcrouted -k: start with -k, too, or run \"smcroute-keeper stop --socket %[2]s\"", err, path)
}
