package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes/scheme"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/streaming/pkg/httpstream"

	"github.com/smcroute/kube-smcroute/agent/draw"
	"github.com/smcroute/kube-smcroute/agent/view"
)

// How agents are asked.
const (
	atOnce    = 16        // that are asked at the same time
	mostBytes = 256 << 20 // of an answer
)

var errTooLong = fmt.Errorf("the answer is longer than %d MiB: name a group", mostBytes>>20)

// ask returns what agents say of their routers, in their order. One that does not
// answer is a router with a problem.
func (c *cluster) ask(ctx context.Context, agents []agentPod, f *draw.Filter, timeout time.Duration) []draw.Router {
	routers := make([]draw.Router, len(agents))
	var group errgroup.Group
	group.SetLimit(atOnce)
	for i, a := range agents {
		group.Go(func() error {
			ctx, cancel := context.WithTimeout(ctx, timeout)
			defer cancel()
			routers[i] = draw.Router{Node: a.node, Problem: a.problem}
			if a.problem != "" {
				return nil
			}
			s, err := c.state(ctx, a, f)
			switch {
			case errors.Is(ctx.Err(), context.DeadlineExceeded):
				routers[i].Problem = fmt.Sprintf("the agent %s has not answered for %v", a.name, timeout)
			case err != nil:
				routers[i].Problem = fmt.Sprintf("the agent %s: %v", a.name, err)
			default:
				routers[i].State = s
			}
			return nil
		})
	}
	_ = group.Wait()
	return routers
}

// state asks one agent.
func (c *cluster) state(ctx context.Context, a agentPod, f *draw.Filter) (*view.State, error) {
	command := append([]string{"/smcroutectl", "-i", "smcroute-agent", "state"}, f.Words()...)
	text, err := c.exec(ctx, a, command)
	if err != nil {
		return nil, err
	}
	s := &view.State{}
	if err := json.Unmarshal(text, s); err != nil {
		return nil, fmt.Errorf("what it says is not the state of a router: %w", err)
	}
	s.Time = s.Time.Local()
	return s, nil
}

// exec runs a program in an agent's pod and returns what it prints, even if it
// fails. Its exit code is an exec.CodeExitError, unless it says why it failed.
func (c *cluster) exec(ctx context.Context, a agentPod, command []string) ([]byte, error) {
	core, err := corev1client.NewForConfig(c.config)
	if err != nil {
		return nil, err
	}
	url := core.RESTClient().Get().Resource("pods").Namespace(c.agentNamespace).Name(a.name).SubResource("exec").
		VersionedParams(&corev1.PodExecOptions{Container: "agent", Command: command, Stdout: true, Stderr: true}, scheme.ParameterCodec).URL()
	// As kubectl does: proxies and servers may know only the older of the two.
	socket, err := remotecommand.NewWebSocketExecutor(c.config, "GET", url.String())
	if err != nil {
		return nil, err
	}
	spdy, err := remotecommand.NewSPDYExecutor(c.config, "POST", url)
	if err != nil {
		return nil, err
	}
	e, err := remotecommand.NewFallbackExecutor(socket, spdy, func(err error) bool {
		return httpstream.IsUpgradeFailure(err) || httpstream.IsHTTPSProxyError(err)
	})
	if err != nil {
		return nil, err
	}
	var stdout, stderr bytes.Buffer
	err = e.StreamWithContext(ctx, remotecommand.StreamOptions{Stdout: &bounded{&stdout, mostBytes}, Stderr: &bounded{&stderr, 64 << 10}})
	if err != nil {
		if line, _, _ := strings.Cut(strings.TrimSpace(stderr.String()), "\n"); line != "" {
			err = errors.New(line)
		}
	}
	return stdout.Bytes(), err
}

// bounded is a writer that takes only so many bytes more.
type bounded struct {
	to   io.Writer
	left int
}

func (b *bounded) Write(p []byte) (int, error) {
	if len(p) > b.left {
		return 0, errTooLong
	}
	b.left -= len(p)
	return b.to.Write(p)
}
