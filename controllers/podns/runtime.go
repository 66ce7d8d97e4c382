package podns

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// DefaultEndpoints are where containerd and CRI-O listen.
var DefaultEndpoints = []string{"/run/containerd/containerd.sock", "/run/crio/crio.sock"}

// podUIDLabel is on each sandbox that a kubelet asked for; see
// k8s.io/kubelet/pkg/types.KubernetesPodUIDLabel.
const podUIDLabel = "io.kubernetes.pod.uid"

// maxMessage bounds an answer, as the kubelet does.
const maxMessage = 16 << 20

// dial makes a connection that is established when it is needed, and again when
// the runtime was restarted.
func dial(endpoint string) (*grpc.ClientConn, error) {
	if scheme, path, ok := strings.Cut(endpoint, "://"); ok {
		if scheme != "unix" {
			return nil, fmt.Errorf("container runtime at %q: expected a path or unix:///path", endpoint)
		}
		endpoint = path
	}
	if endpoint != "" && !strings.HasPrefix(endpoint, "/") {
		return nil, fmt.Errorf("container runtime at %q: expected an absolute path or unix:///path", endpoint)
	}
	return connect(func(ctx context.Context, _ string) (net.Conn, error) {
		path := endpoint
		if path == "" {
			var err error
			if path, err = firstEndpoint(); err != nil {
				return nil, err
			}
		}
		var d net.Dialer
		return d.DialContext(ctx, "unix", path)
	})
}

// connect makes a connection by that dialer. While the runtime is away it is
// dialed every 3 s at least, as the kubelet does: gRPC's own 2 minutes are for
// servers far away and in demand.
func connect(dialer func(context.Context, string) (net.Conn, error)) (*grpc.ClientConn, error) {
	retry := backoff.DefaultConfig
	retry.BaseDelay, retry.MaxDelay = 100*time.Millisecond, 3*time.Second
	return grpc.NewClient("passthrough:///runtime",
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage)),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: retry, MinConnectTimeout: 5 * time.Second}),
		grpc.WithContextDialer(dialer))
}

func firstEndpoint() (string, error) {
	for _, path := range DefaultEndpoints {
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("none of the container runtimes' sockets %s is there: mount one, or name another with --cri-endpoint", strings.Join(DefaultEndpoints, ", "))
}

// sandbox is what matters of a pod's sandbox.
type sandbox struct {
	pod   string   // namespace/name
	paths []string // where its network namespace may be, best first
}

// sandbox asks the runtime for the newest ready sandbox of a pod.
func (f *Finder) sandbox(ctx context.Context, podUID string) (sandbox, error) {
	ctx, cancel := context.WithTimeout(ctx, f.timeout)
	defer cancel()
	list, err := f.runtime.ListPodSandbox(ctx, &cri.ListPodSandboxRequest{Filter: &cri.PodSandboxFilter{
		State:         &cri.PodSandboxStateValue{State: cri.PodSandboxState_SANDBOX_READY},
		LabelSelector: map[string]string{podUIDLabel: podUID},
	}})
	if err != nil {
		return sandbox{}, fmt.Errorf("asking the container runtime for the sandbox of pod %s: %w", podUID, err)
	}
	newest := pick(list.GetItems(), podUID)
	if newest == nil {
		return sandbox{}, fmt.Errorf("the container runtime has no running sandbox of pod %s: %w", podUID, ErrNotReady)
	}
	box := sandbox{pod: newest.GetMetadata().GetNamespace() + "/" + newest.GetMetadata().GetName()}
	status, err := f.runtime.PodSandboxStatus(ctx, &cri.PodSandboxStatusRequest{PodSandboxId: newest.GetId(), Verbose: true})
	if err != nil {
		return box, fmt.Errorf("asking the container runtime for the sandbox of pod %s: %w", box.pod, err)
	}
	if status.GetStatus().GetLinux().GetNamespaces().GetOptions().GetNetwork() == cri.NamespaceMode_NODE {
		return box, fmt.Errorf("pod %s uses the node's own network: a route for it belongs into networkNamespace Host", box.pod)
	}
	text, ok := status.GetInfo()["info"]
	if !ok {
		return box, fmt.Errorf("pod %s: the container runtime gives no details of its sandbox, as containerd and CRI-O do", box.pod)
	}
	if box.paths, err = parseInfo([]byte(text)); err != nil {
		return box, fmt.Errorf("pod %s: %w", box.pod, err)
	}
	if len(box.paths) == 0 {
		return box, fmt.Errorf("pod %s: the container runtime names no network namespace of its sandbox", box.pod)
	}
	return box, nil
}

// pick returns the newest ready sandbox of a pod, or nil. A runtime that
// ignores the filter is no reason to take another pod's.
func pick(items []*cri.PodSandbox, podUID string) (newest *cri.PodSandbox) {
	for _, s := range items {
		if s.GetState() != cri.PodSandboxState_SANDBOX_READY || s.GetLabels()[podUIDLabel] != podUID {
			continue
		}
		if newest == nil || s.GetCreatedAt() > newest.GetCreatedAt() {
			newest = s
		}
	}
	return newest
}
