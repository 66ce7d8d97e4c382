package kubelab

import (
	"context"
	"encoding/json"
	"net"
	"path/filepath"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/smcroute/kube-smcroute/test/netlab"
)

// Runtime is a container runtime, as far as it tells of the sandboxes of pods.
type Runtime struct {
	cri.UnimplementedRuntimeServiceServer
	Endpoint string // path of its socket

	mu    sync.Mutex
	boxes []box
}

type box struct {
	id, uid string
	created int64
	netns   string
}

// Runtime starts a container runtime for the node.
func (n *Node) Runtime() *Runtime {
	n.tb.Helper()
	r := &Runtime{Endpoint: filepath.Join(n.lab.mkdir("sockets"), n.Name+"-cri")}
	listener, err := net.Listen("unix", r.Endpoint)
	if err != nil {
		n.tb.Fatalf("kubelab: %v", err)
	}
	server := grpc.NewServer()
	cri.RegisterRuntimeServiceServer(server, r)
	go func() { _ = server.Serve(listener) }()
	n.tb.Cleanup(server.Stop)
	return r
}

// Set says that the sandbox of the pod with that UID is in a namespace, and in
// no other that was set before. Nil stands for none.
func (r *Runtime) Set(uid string, ns *netlab.NS) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.boxes {
		if r.boxes[i].uid == uid {
			r.boxes = append(r.boxes[:i], r.boxes[i+1:]...)
			break
		}
	}
	if ns != nil {
		r.boxes = append(r.boxes, box{id: "sandbox-" + uid, uid: uid, created: int64(len(r.boxes) + 1), netns: ns.ProcPath()})
	}
}

// ListPodSandbox implements [cri.RuntimeServiceServer].
func (r *Runtime) ListPodSandbox(_ context.Context, request *cri.ListPodSandboxRequest) (*cri.ListPodSandboxResponse, error) {
	const label = "io.kubernetes.pod.uid"
	r.mu.Lock()
	defer r.mu.Unlock()
	response := &cri.ListPodSandboxResponse{}
	for _, b := range r.boxes {
		if uid := request.GetFilter().GetLabelSelector()[label]; uid != "" && uid != b.uid {
			continue
		}
		response.Items = append(response.Items, &cri.PodSandbox{
			Id: b.id, State: cri.PodSandboxState_SANDBOX_READY, CreatedAt: b.created,
			Metadata: &cri.PodSandboxMetadata{Uid: b.uid}, Labels: map[string]string{label: b.uid},
		})
	}
	return response, nil
}

// PodSandboxStatus implements [cri.RuntimeServiceServer].
func (r *Runtime) PodSandboxStatus(_ context.Context, request *cri.PodSandboxStatusRequest) (*cri.PodSandboxStatusResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, b := range r.boxes {
		if b.id != request.GetPodSandboxId() {
			continue
		}
		type namespace struct {
			Type string `json:"type"`
			Path string `json:"path,omitempty"`
		}
		info, err := json.Marshal(map[string]any{"runtimeSpec": map[string]any{"linux": map[string]any{
			"namespaces": []namespace{{Type: "pid"}, {Type: "network", Path: b.netns}},
		}}})
		if err != nil {
			return nil, err
		}
		return &cri.PodSandboxStatusResponse{
			Status: &cri.PodSandboxStatus{Id: b.id, State: cri.PodSandboxState_SANDBOX_READY},
			Info:   map[string]string{"info": string(info)},
		}, nil
	}
	return nil, status.Errorf(codes.NotFound, "no sandbox %s", request.GetPodSandboxId())
}
