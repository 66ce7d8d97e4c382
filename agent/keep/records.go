package keep

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"net/netip"
	"os"
	"slices"
	"sync"

	"github.com/smcroute/kube-smcroute/agent/mroute"
)

// Records tell which tables hold what this program put there, in a file that
// lives as long as the kernel does, in /run. Its methods may be called from any
// goroutine, but only one process may change the file at a time.
type Records struct {
	// Log gets a warning if the file cannot be read, which is as if it were not
	// there. nil: none.
	Log *slog.Logger

	path string
	mu   sync.Mutex
}

// NewRecords returns those of a file, which need not exist.
func NewRecords(path string) *Records { return &Records{path: path} }

// recordsVersion is that of the file.
const recordsVersion = 1

// recorded is the content of the file.
type recorded struct {
	Version int              `json:"version"`
	Tables  map[string]table `json:"tables"` // by name
}

// table is what is known of a table.
type table struct {
	Foreign []entry `json:"foreign,omitempty"` // in order
}

// entry is the key of an entry.
type entry struct {
	Source netip.Addr `json:"source"`
	Group  netip.Addr `json:"group"`
}

// Of tells whether a table is known as this program's own, and which entries in
// it are not.
func (r *Records) Of(table string) (foreign []mroute.SG, own bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t, own := r.read().Tables[table]
	for _, e := range t.Foreign {
		foreign = append(foreign, mroute.SG{Source: e.Source, Group: e.Group})
	}
	return foreign, own
}

// Set makes a table known as this program's own, but for the foreign entries.
func (r *Records) Set(name string, foreign []mroute.SG) error {
	t := table{}
	for _, sg := range slices.SortedFunc(slices.Values(foreign), mroute.SG.Compare) {
		t.Foreign = append(t.Foreign, entry{sg.Source, sg.Group})
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	all, err := r.change()
	if err != nil {
		return err
	}
	if before, ok := all.Tables[name]; ok && slices.Equal(before.Foreign, t.Foreign) {
		return nil
	}
	all.Tables[name] = t
	return r.write(all)
}

// Tables lists the names of those that are known, in order.
func (r *Records) Tables() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Sorted(maps.Keys(r.read().Tables))
}

// Forget is for a table that is empty.
func (r *Records) Forget(table string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	all, err := r.change()
	if err != nil {
		return err
	}
	if _, ok := all.Tables[table]; !ok {
		return nil
	}
	delete(all.Tables, table)
	if len(all.Tables) > 0 {
		return r.write(all)
	}
	err = os.Remove(r.path)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return r.write(all)
	case errors.Is(err, fs.ErrNotExist):
		return nil
	}
	return err
}

// change returns what the file says, to be written again with changes. What is
// there and cannot be read just now must not be lost by that.
func (r *Records) change() (recorded, error) {
	all, err := r.parse()
	if errors.As(err, new(*fs.PathError)) {
		return recorded{}, err
	}
	return r.trusted(all, err), nil
}

// read returns what the file says: nothing if it says nothing that can be trusted.
func (r *Records) read() recorded { return r.trusted(r.parse()) }

func (r *Records) trusted(all recorded, err error) recorded {
	if err != nil && r.Log != nil {
		r.Log.Warn("nobody knows now which entries in the kernel are this program's: those of tables that no keeper hands over are taken for another's", "err", err)
	}
	if err != nil || all.Tables == nil {
		all = recorded{Tables: map[string]table{}}
	}
	all.Version = recordsVersion
	return all
}

func (r *Records) parse() (all recorded, err error) {
	b, err := os.ReadFile(r.path)
	if errors.Is(err, fs.ErrNotExist) {
		return all, nil
	}
	if err != nil {
		return all, err
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	switch err := d.Decode(&all); {
	case err != nil:
		return all, fmt.Errorf("%s: %w", r.path, err)
	case all.Version != recordsVersion:
		return all, fmt.Errorf("%s: version %d: expected %d", r.path, all.Version, recordsVersion)
	case d.More():
		return all, fmt.Errorf("%s: something behind the end", r.path)
	}
	return all, nil
}

// write replaces the file in one step. A program that has given up root's
// privileges may not do so in /run, but it may write a file that is its own.
func (r *Records) write(all recorded) error {
	b, err := json.Marshal(all)
	if err != nil {
		return err
	}
	b = append(b, '\n')
	made := r.path + "~"
	err = os.WriteFile(made, b, 0o600)
	if errors.Is(err, fs.ErrPermission) {
		return os.WriteFile(r.path, b, 0o600)
	}
	if err == nil {
		err = os.Rename(made, r.path)
	}
	if err != nil {
		_ = os.Remove(made)
	}
	return err
}
