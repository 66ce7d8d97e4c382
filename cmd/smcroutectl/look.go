package main

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/smcroute/kube-smcroute/agent/draw"
	"github.com/smcroute/kube-smcroute/cmd/internal/sight"
)

// look is a verb of package sight.
func look(v sight.Verb) func(context.Context, *control, []string) int {
	return func(ctx context.Context, c *control, args []string) int { return c.sight(ctx, v, args) }
}

// sight carries out a verb that looks at the router.
func (c *control) sight(ctx context.Context, v sight.Verb, args []string) int {
	run := sight.Run{Style: sight.Style(), Stdin: c.stdin, Stdout: c.stdout}
	fs := c.flags()
	run.Flags(fs, v, false)
	words, code, goOn := c.parse(fs, args)
	if !goOn {
		return code
	}
	err := run.Check()
	if err == nil {
		run.Filter, err = draw.ParseFilter(words)
	}
	if err != nil {
		c.complain(sentence(err))
		return 1
	}
	run.Look = func(ctx context.Context) ([]draw.Router, error) {
		s, complaints := c.state(ctx, run.Filter.About)
		if len(complaints) > 0 {
			return nil, errors.New(strings.Join(complaints, "\n"))
		}
		s.Time = s.Time.Local()
		return []draw.Router{{State: s}}, nil
	}
	if err := run.Do(ctx, v); err != nil {
		for line := range strings.SplitSeq(sentence(err), "\n") {
			c.complain(line)
		}
		return 1
	}
	return 0
}

// printState is the verb state: documents of package view, one a line.
func printState(ctx context.Context, c *control, args []string) int {
	var count int
	var delay float64
	fs := c.flags()
	fs.IntVarP(&count, "count", "n", 1, "Print `N` states")
	fs.Float64VarP(&delay, "delay", "d", 1, "`SECONDS` between two states")
	words, code, goOn := c.parse(fs, args)
	if !goOn {
		return code
	}
	filter, err := draw.ParseFilter(words)
	if err != nil {
		c.complain(sentence(err))
		return 1
	}
	out := json.NewEncoder(c.stdout)
	for n := 1; ; n++ {
		s, complaints := c.state(ctx, filter.About)
		for _, text := range complaints {
			c.complain(text)
		}
		if len(complaints) > 0 {
			return 1
		}
		filter.Apply(s)
		if err := out.Encode(s); err != nil {
			c.complain("Failed writing the state: " + err.Error())
			return 1
		}
		if n >= count {
			return 0
		}
		select {
		case <-ctx.Done():
			return 0
		case <-time.After(time.Duration(max(delay, 0.1) * float64(time.Second))):
		}
	}
}
