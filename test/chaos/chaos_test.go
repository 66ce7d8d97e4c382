package chaos

import (
	"math/rand/v2"
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// shortly is how long the test takes if nobody says otherwise.
const shortly = 20 * time.Second

func TestChaos(t *testing.T) {
	lasts, seed := shortly, uint64(time.Now().UnixNano())
	if s := os.Getenv("CHAOS_TIME"); s != "" {
		var err error
		if lasts, err = time.ParseDuration(s); err != nil {
			t.Fatalf("CHAOS_TIME: %v", err)
		}
	}
	if s := os.Getenv("CHAOS_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatalf("CHAOS_SEED: %v", err)
		}
	}
	t.Logf("CHAOS_SEED=%d CHAOS_TIME=%v", seed, lasts)
	c := &chaos{plant: newPlant(t), dice: rand.New(rand.NewPCG(seed, 0))}
	counts := map[string]int{}
	for end := time.Now().Add(lasts); time.Now().Before(end) && !t.Failed(); {
		h := c.pick(harms)
		c.log("%s", h.name)
		counts[h.name]++
		h.do(c)
		c.members()
	}
	c.finish()
	t.Logf("what was done: %v", counts)
}

// chaos does harm to a plant.
type chaos struct {
	*plant
	dice *rand.Rand
}

// harm is one kind of it.
type harm struct {
	name   string
	weight int
	do     func(*chaos)
}

var harms = []harm{
	{"the daemon is killed", 4, func(c *chaos) {
		c.endDaemon(syscall.SIGKILL)
		c.startDaemon()
	}},
	{"the daemon is restarted", 4, func(c *chaos) {
		c.endDaemon(syscall.SIGTERM)
		c.startDaemon()
	}},
	{"the configuration is read again", 2, func(c *chaos) { c.reload() }},
	{"a line is changed", 5, func(c *chaos) { c.change(c.reload) }},
	{"a line is changed while the daemon is away", 4, func(c *chaos) {
		c.change(func() {
			c.endDaemon(c.anySignal())
			c.startDaemon()
		})
	}},
	{"a line is changed and the daemon is killed while it reads it", 3, func(c *chaos) {
		c.change(func() {
			_ = c.daemon.Signal(syscall.SIGHUP)
			c.endDaemon(syscall.SIGKILL)
			c.startDaemon()
		})
	}},
	{"an interface is made again", 4, func(c *chaos) { c.flap(func() {}) }},
	{"an interface is made again while the daemon is away", 5, func(c *chaos) {
		if c.dice.IntN(2) == 0 {
			c.endDaemon(c.anySignal())
			c.flap(c.startDaemon)
			return
		}
		// The link goes while the daemon is there, or goes with it.
		c.flap(func() {
			c.endDaemon(c.anySignal())
			c.startDaemon()
		})
	}},
	{"clients add and remove", 2, func(c *chaos) {
		c.client("add", "in", "10.0.0.9", "225.9.9.9", "out0")
		c.client("join", "in", "225.9.9.9")
		c.client("leave", "in", "225.9.9.9")
		c.client("remove", "in", "10.0.0.9", "225.9.9.9")
	}},
	{"the keeper is killed", 3, func(c *chaos) {
		c.end(c.keepers[0], syscall.SIGKILL)
		c.keepers = c.keepers[1:]
		if len(c.keepers) == 0 {
			c.keepers = []*process{c.startKeeper()}
		}
		c.awaitKept()
	}},
	{"the keeper is replaced", 3, func(c *chaos) {
		c.keepers = append(c.keepers, c.startKeeper())
		c.end(c.keepers[0], syscall.SIGTERM)
		c.keepers = c.keepers[1:]
		c.awaitKept()
	}},
	{"a second keeper comes and goes", 2, func(c *chaos) {
		second := c.startKeeper()
		c.end(second, c.anySignal())
	}},
}

func (c *chaos) pick(from []harm) harm {
	all := 0
	for _, h := range from {
		all += h.weight
	}
	n := c.dice.IntN(all)
	for _, h := range from {
		if n -= h.weight; n < 0 {
			return h
		}
	}
	panic("unreachable")
}

func (c *chaos) anySignal() syscall.Signal {
	return []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM}[c.dice.IntN(2)]
}

// change takes a line away or adds one, and has that come into force.
func (c *chaos) change(inForce func()) {
	var some []*flow
	for _, f := range c.flows {
		if !f.always {
			some = append(some, f)
		}
	}
	f := some[c.dice.IntN(len(some))]
	c.endAll(f)
	defer c.rewrites()() // if it needs an interface, after one has gone
	f.on = !f.on
	c.write()
	inForce()
	c.beginAll(f)
}

// flap deletes the third interface and makes one, often of another name.
func (c *chaos) flap(between func()) {
	defer c.rewrites()()
	c.disconnect()
	name := []string{"flap", "trap"}[c.dice.IntN(2)]
	first := c.dice.IntN(2) == 0
	if first {
		between()
	}
	c.connect(name)
	if !first {
		between()
	}
	for _, f := range c.flows {
		for _, out := range f.outs {
			if out == name {
				c.begin(f, out)
			}
		}
	}
}

// rewrites notes a time in which entries may be written again: until the result
// is called.
func (c *chaos) rewrites() func() {
	var began []uint64
	for _, f := range c.flows {
		began = append(began, f.stream.Sent())
	}
	return func() {
		for i, f := range c.flows {
			f.rewrites = append(f.rewrites, numbers{began[i], f.stream.Sent()})
		}
	}
}
