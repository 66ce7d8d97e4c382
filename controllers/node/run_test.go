package node

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"

	"github.com/smcroute/kube-smcroute/api/v1alpha1"
)

// apiServer answers watches with what a test gives it.
type apiServer struct {
	kinds map[string]chan metav1.WatchEvent // by plural

	mu    sync.Mutex
	asked []string // "nodes metadata.name=n1"
}

func (s *apiServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	for plural, events := range s.kinds {
		if r.URL.Path != "/api/v1/"+plural && r.URL.Path != "/apis/"+v1alpha1.GroupVersion.String()+"/"+plural {
			continue
		}
		s.mu.Lock()
		s.asked = append(s.asked, plural+" "+r.URL.Query().Get("fieldSelector"))
		s.mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		for {
			select {
			case e := <-events:
				_ = json.NewEncoder(w).Encode(e)
				_ = http.NewResponseController(w).Flush()
			case <-r.Context().Done():
				return
			}
		}
	}
	http.NotFound(w, r)
}

// send tells who watches a kind of an event.
func (s *apiServer) send(t *testing.T, plural string, event watch.EventType, o any) {
	t.Helper()
	raw, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	e := metav1.WatchEvent{Type: string(event)}
	e.Object.Raw = raw
	select {
	case s.kinds[plural] <- e:
	case <-time.After(30 * time.Second):
		t.Fatalf("nobody watches %s", plural)
	}
}

// listed says that all objects of a kind were sent.
func (s *apiServer) listed(t *testing.T, plural, apiVersion, kind string) {
	t.Helper()
	s.send(t, plural, watch.Bookmark, metav1.PartialObjectMetadata{
		TypeMeta:   metav1.TypeMeta{APIVersion: apiVersion, Kind: kind},
		ObjectMeta: metav1.ObjectMeta{ResourceVersion: "7", Annotations: map[string]string{metav1.InitialEventsAnnotationKey: "true"}},
	})
}

// TestRun: rounds begin when the last cache is filled, and come for what matters
// alone. The node asks for itself and its own pods.
func TestRun(t *testing.T) {
	s := &apiServer{kinds: map[string]chan metav1.WatchEvent{}}
	for _, plural := range []string{"nodes", "pods", "multicastroutes", "multicastgroups"} {
		s.kinds[plural] = make(chan metav1.WatchEvent)
	}
	server := httptest.NewServer(s)
	defer server.Close()
	c, err := NewClient(&rest.Config{Host: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	log, _ := logged()
	rounds := make(chan int, 10)
	routers := &fakeRouters{}
	filled := false // of the goroutine of Run
	r, err := NewReconciler(c, ReconcilerOptions{
		Node:       "n1",
		Programmer: NewProgrammer(Options{Routers: routers, HostNamespaces: []string{"*"}, Logger: log}),
		Filled:     func() { filled = true },
		Programmed: func() {
			if !filled {
				t.Error("a round before all caches were filled")
			}
			n := 0
			for _, l := range routers.layers {
				n += l.Size()
			}
			rounds <- n
		},
		Logger: log,
	})
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	defer running.Wait()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	running.Go(func() { r.Run(ctx) })

	await := func(want int) {
		t.Helper()
		for {
			select {
			case n := <-rounds:
				if n == want {
					return
				}
			case <-time.After(30 * time.Second):
				t.Fatalf("timed out waiting for a round with %d routes", want)
			}
		}
	}
	n := fakeNode()
	n.APIVersion, n.Kind, n.ResourceVersion = "v1", "Node", "1"
	ours := v1alpha1.GroupVersion.String()
	r1 := route("studio", "a", nil)
	r1.APIVersion, r1.Kind, r1.ResourceVersion = ours, "MulticastRoute", "2"
	s.send(t, "nodes", watch.Added, n)
	s.listed(t, "nodes", "v1", "Node")
	s.send(t, "multicastroutes", watch.Added, r1)
	s.listed(t, "multicastroutes", ours, "MulticastRoute")
	s.listed(t, "multicastgroups", ours, "MulticastGroup")
	if len(rounds) != 0 {
		t.Error("a round, though it is not known which pods there are")
	}
	s.listed(t, "pods", "v1", "Pod")
	await(1)
	if uid, err := r.UID(ctx); err != nil || uid != n.UID {
		t.Errorf("UID %q, %v", uid, err)
	}

	r1.ResourceVersion, r1.Status.ObservedGeneration = "8", 1 // which wakes nobody
	s.send(t, "multicastroutes", watch.Modified, r1)
	r2 := route("studio", "b", nil)
	r2.TypeMeta, r2.ResourceVersion, r2.Spec.Groups = r1.TypeMeta, "9", []v1alpha1.Address{"225.9.9.9"}
	s.send(t, "multicastroutes", watch.Added, r2)
	await(2)
	s.send(t, "multicastroutes", watch.Deleted, r2)
	await(1)

	s.mu.Lock()
	defer s.mu.Unlock()
	slices.Sort(s.asked)
	want := []string{"multicastgroups ", "multicastroutes ", "nodes metadata.name=n1", "pods spec.nodeName=n1"}
	if fmt.Sprint(s.asked) != fmt.Sprint(want) {
		t.Errorf("watched %q, want %q", s.asked, want)
	}
}
