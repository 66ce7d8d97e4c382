package keep

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/smcroute/kube-smcroute/agent/keep/shelf"
	"github.com/smcroute/kube-smcroute/agent/keep/wire"
)

const (
	// First and longest pause between attempts to connect. A keeper waits for its
	// programs longer than the longest before it takes them for ended.
	firstPause = 10 * time.Millisecond
	lastPause  = 250 * time.Millisecond

	// answerTime is how long a keeper that is connected may take to hold something.
	// It takes no time, but a node can be busy.
	answerTime = 2 * time.Second

	// returnTime is how long a keeper may take to answer again, or another one in
	// its place, until a program that ends takes it for gone.
	returnTime = 2 * time.Second
)

// levelNotice is core.LevelNotice, which is not for this package.
const levelNotice = slog.LevelInfo + 2

// Keeper is a store outside this process, in a smcroute-keeper(8). It holds for one
// program: what the one before had held is found, and what it wants no more must
// be dropped.
type Keeper struct {
	path  string
	log   *slog.Logger
	shelf shelf.Shelf

	cancel context.CancelFunc
	ended  chan struct{}
	ready  chan struct{} // closed when a keeper has told all that it holds

	mu   sync.Mutex
	link *shelf.Link // nil: no keeper answers
	slow *shelf.Link // the one that did not answer in time, until it has caught up
	lost time.Time   // when the last link ended
}

var _ Store = (*Keeper)(nil)

// Open returns the store of the keeper at a socket, with what it holds. If none
// answers it waits for one until ctx is done, and then returns all the same: with
// nothing, ready for a keeper that comes later. That one is told what to hold, and
// ends what it held and this program has not.
//
// Until Close it goes on connecting whenever the connection is lost. log may be
// nil.
func Open(ctx context.Context, path string, log *slog.Logger) *Keeper {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	life, cancel := context.WithCancel(context.WithoutCancel(ctx))
	k := &Keeper{
		path: path, log: log.With("socket", path),
		cancel: cancel,
		ended:  make(chan struct{}),
		ready:  make(chan struct{}),
	}
	go k.run(life)
	select {
	case <-k.ready:
	case <-ctx.Done():
	}
	return k
}

// run keeps the connection until ctx is done.
func (k *Keeper) run(ctx context.Context) {
	defer close(k.ended)
	pause, told := firstPause, false
	for ctx.Err() == nil {
		synced, err := k.connect(ctx)
		if ctx.Err() != nil {
			return
		}
		if synced {
			// Who takes over has the socket already, or in a moment.
			pause, told = firstPause, false
			continue
		}
		if pause == lastPause && !told {
			k.log.Warn("no keeper holds what this program would leave in the kernel if it ended", "err", err)
			told = true
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
		pause = min(2*pause, lastPause)
	}
}

// connect connects once, until the connection ends. It reports whether the keeper
// knew all.
func (k *Keeper) connect(ctx context.Context) (synced bool, err error) {
	conn, err := wire.Dial(ctx, k.path, wire.Program)
	if err != nil {
		return false, err
	}
	link := k.shelf.Follow(conn, nil)
	k.set(link)
	defer k.set(nil)
	stop := context.AfterFunc(ctx, link.Close)
	defer stop()
	told := make(chan struct{})
	go func() {
		defer close(told)
		select {
		case <-link.Ready():
			synced = true
			k.log.Log(ctx, levelNotice, "a keeper holds what this program leaves in the kernel")
			k.open()
		case <-link.Done():
		}
	}()
	err = link.Run()
	<-told
	return synced, err
}

// open lets Open return.
func (k *Keeper) open() {
	select {
	case <-k.ready:
	default:
		close(k.ready)
	}
}

func (k *Keeper) set(link *shelf.Link) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.link = link
	if link == nil {
		k.lost = time.Now()
	}
}

func (k *Keeper) current() *shelf.Link {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.link
}

// Names implements [Store].
func (k *Keeper) Names() []string { return k.shelf.Names() }

// Get implements [Store].
func (k *Keeper) Get(name string) *os.File { return k.shelf.Get(name) }

// Put implements [Store].
func (k *Keeper) Put(name string, fd int, flush bool) error {
	if err := k.shelf.Put(name, fd, flush); err != nil {
		return err
	}
	return k.await(name)
}

// Drop implements [Store].
func (k *Keeper) Drop(name string) {
	k.shelf.Drop(name)
	_ = k.await(name) // if it is not dropped now it is when a keeper answers
}

// await waits until the keeper knows what is held under the name.
func (k *Keeper) await(name string) error {
	link := k.current()
	if link == nil {
		return fmt.Errorf("%s is not held beyond this process: no keeper answers at %s", name, k.path)
	}
	err := link.Await(name, k.patience(link))
	if errors.Is(err, shelf.ErrNoAnswer) {
		k.slowed(link)
	}
	if err != nil {
		return fmt.Errorf("%s is not held beyond this process: the keeper at %s: %w", name, k.path, err)
	}
	return nil
}

// patience is how long to wait for an answer. A keeper that hangs is waited for
// once, and not for each of thousands of sockets.
func (k *Keeper) patience(link *shelf.Link) time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.slow == link {
		return 0
	}
	return answerTime
}

func (k *Keeper) slowed(link *shelf.Link) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.slow == link {
		return
	}
	k.slow = link
	go func() {
		for {
			err := link.AwaitAlike(time.Minute)
			if err == nil {
				break
			}
			if !errors.Is(err, shelf.ErrNoAnswer) {
				return // the next one is another
			}
		}
		k.mu.Lock()
		defer k.mu.Unlock()
		if k.slow == link {
			k.slow = nil
		}
	}()
}

// Connected reports whether a keeper answers.
func (k *Keeper) Connected() bool { return k.current() != nil }

// Alike reports whether a keeper holds all that this program has put, and nothing
// else, at this moment.
func (k *Keeper) Alike() bool {
	link := k.current()
	return link != nil && link.Alike()
}

// Lasts implements [Store]. If a keeper has answered until a moment ago it waits
// for two seconds at most, for that one or for another that takes over.
func (k *Keeper) Lasts() bool {
	for deadline := time.Now().Add(returnTime); ; time.Sleep(firstPause) {
		k.mu.Lock()
		link, lost := k.link, k.lost
		k.mu.Unlock()
		now := time.Now()
		switch {
		case link != nil && link.Has(isOwner):
			return true
		case now.After(deadline), link == nil && now.Sub(lost) > returnTime:
			return false
		}
	}
}

func isOwner(name string) bool { return strings.HasSuffix(name, OwnerSuffix) }

// Close ends the connection. What is held by the keeper is held on.
func (k *Keeper) Close() error {
	k.cancel()
	<-k.ended
	k.shelf.Close()
	return nil
}

// RecordsPath is where the keeper at a socket looks for [Records], to remove them
// when it has emptied what it holds.
func RecordsPath(socket string) string { return wire.RecordsPath(socket) }
