package agent

import (
	"context"
	"sync"
)

// fileLayer is the layer of the configuration file.
const fileLayer = "file"

// awaited are the layers that were never set. When there are none any more, what
// the kernel held before and nobody wants may go.
type awaited struct {
	mu     sync.Mutex
	layers map[string]bool
	tells  bool // the log tells that the file is awaited
}

func newAwaited(layers []string) *awaited {
	w := &awaited{layers: map[string]bool{fileLayer: true}}
	for _, l := range layers {
		w.layers[l] = true
	}
	return w
}

// told notes that a layer was set.
func (a *Agent) told(ctx context.Context, layer string) error {
	w := a.await
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.layers) == 0 {
		return nil
	}
	if len(w.layers) == 1 && w.layers[layer] {
		// Not before it is so: who failed here tries again.
		if err := a.router.Complete(ctx); err != nil {
			return err
		}
	}
	delete(w.layers, layer)
	return nil
}

// unread is for a configuration file that cannot be read. That it says nothing
// is no reason to take away what flows.
func (a *Agent) unread(ctx context.Context) error {
	if !a.router.Holds() {
		return a.told(ctx, fileLayer)
	}
	w := a.await
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.layers[fileLayer] && !w.tells {
		w.tells = true
		a.log.Warn("The kernel holds routes from before: they stay as they are until " + a.o.ConfFile + " could be read")
	}
	return nil
}
