package podns_test

import (
	"context"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

const uidLabel = "io.kubernetes.pod.uid"

// box is a sandbox of the fake runtime.
type box struct {
	id, uid, name string
	created       int64
	dead          bool
	host          bool
	info          string // the verbose status
}

// fakeRuntime is a container runtime on a unix socket.
type fakeRuntime struct {
	cri.UnimplementedRuntimeServiceServer
	socket string

	mu           sync.Mutex
	boxes        []box
	asked        int  // calls of ListPodSandbox
	ignoreFilter bool // as a sloppy runtime may
}

func newRuntime(t *testing.T) *fakeRuntime {
	f := &fakeRuntime{socket: filepath.Join(t.TempDir(), "cri.sock")}
	f.serve(t)
	return f
}

// serve starts the runtime and returns what stops it.
func (f *fakeRuntime) serve(t *testing.T) (stop func()) {
	t.Helper()
	listener, err := net.Listen("unix", f.socket)
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	cri.RegisterRuntimeServiceServer(server, f)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener)
	}()
	stop = sync.OnceFunc(func() {
		server.Stop()
		<-done
	})
	t.Cleanup(stop)
	return stop
}

func (f *fakeRuntime) set(boxes ...box) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.boxes = boxes
}

func (f *fakeRuntime) calls() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.asked
}

func (f *fakeRuntime) ListPodSandbox(_ context.Context, r *cri.ListPodSandboxRequest) (*cri.ListPodSandboxResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked++
	var items []*cri.PodSandbox
	for _, b := range f.boxes {
		s := &cri.PodSandbox{
			Id:        b.id,
			Metadata:  &cri.PodSandboxMetadata{Name: b.name, Namespace: "tv", Uid: b.uid},
			State:     cri.PodSandboxState_SANDBOX_READY,
			CreatedAt: b.created,
			Labels:    map[string]string{uidLabel: b.uid, "io.kubernetes.pod.name": b.name},
		}
		if b.dead {
			s.State = cri.PodSandboxState_SANDBOX_NOTREADY
		}
		if f.ignoreFilter || matches(r.GetFilter(), s) {
			items = append(items, s)
		}
	}
	return &cri.ListPodSandboxResponse{Items: items}, nil
}

func matches(filter *cri.PodSandboxFilter, s *cri.PodSandbox) bool {
	for k, v := range filter.GetLabelSelector() {
		if s.Labels[k] != v {
			return false
		}
	}
	return filter.GetState() == nil || filter.GetState().State == s.State
}

func (f *fakeRuntime) PodSandboxStatus(_ context.Context, r *cri.PodSandboxStatusRequest) (*cri.PodSandboxStatusResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	i := slices.IndexFunc(f.boxes, func(b box) bool { return b.id == r.GetPodSandboxId() })
	if i < 0 {
		return nil, status.Error(codes.NotFound, "no such sandbox")
	}
	b := f.boxes[i]
	mode := cri.NamespaceMode_POD
	if b.host {
		mode = cri.NamespaceMode_NODE
	}
	answer := &cri.PodSandboxStatusResponse{Status: &cri.PodSandboxStatus{
		Id: b.id,
		Linux: &cri.LinuxPodSandboxStatus{Namespaces: &cri.Namespace{
			Options: &cri.NamespaceOption{Network: mode},
		}},
	}}
	if r.GetVerbose() && b.info != "" {
		answer.Info = map[string]string{"info": b.info}
	}
	return answer, nil
}

// containerd is what containerd 2 says of a sandbox, shortened.
func containerd(path string, pid int) string {
	return fmt.Sprintf(`{"pid":%d,"processStatus":"running","netNamespaceClosed":false,"image":"registry.k8s.io/pause:3.10",
"snapshotter":"overlayfs","runtimeHandler":"","runtimeType":"io.containerd.runc.v2","config":{"metadata":{"name":"player"}},
"runtimeSpec":{"ociVersion":"1.2.1","process":{"args":["/pause"]},"linux":{"namespaces":[{"type":"pid"},{"type":"ipc"},
{"type":"uts"},{"type":"mount"},{"type":"network","path":%q}]}},"cniResult":{"Interfaces":{}}}`, pid, path)
}

// crio is what CRI-O says of one, without a process of its own.
func crio(path string) string {
	return fmt.Sprintf(`{"image":"registry.k8s.io/pause:3.10","pid":0,"runtimeSpec":{"ociVersion":"1.2.0",
"linux":{"namespaces":[{"type":"network","path":%q},{"type":"uts","path":"/var/run/utsns/1"}]}}}`, path)
}
