package fleet

import (
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/streaming"
	"k8s.io/apimachinery/pkg/watch"
	restwatch "k8s.io/client-go/rest/watch"

	"github.com/smcroute/kube-smcroute/api/v1alpha1"
	"github.com/smcroute/kube-smcroute/controllers/node"
)

// stream is a watch as the API server writes it: an event larger than the first buffer,
// the end of the initial ones, and an error.
var stream = `{"type":"ADDED","object":{"apiVersion":"multicast.smcroute.io/v1alpha1","kind":"MulticastRoute","metadata":{"name":"r","annotations":{"a":"` + strings.Repeat("x", 3000) + `"}},"spec":{"groups":["232.1.1.1"]},"status":{"observedGeneration":3}}}
{"type":"BOOKMARK","object":{"apiVersion":"multicast.smcroute.io/v1alpha1","kind":"MulticastRoute","metadata":{"annotations":{"k8s.io/initial-events-end":"true"},"resourceVersion":"7"}}}
{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","status":"Failure","message":"too old","code":410}}
`

// decoded are the events of a stream.
func decoded(t *testing.T, s runtime.NegotiatedSerializer, stream string) (all []watch.Event, end error) {
	t.Helper()
	objects, events, framer, err := runtime.NewClientNegotiator(s, v1alpha1.GroupVersion).StreamDecoder(runtime.ContentTypeJSON, nil)
	if err != nil {
		t.Fatal(err)
	}
	d := restwatch.NewDecoder(streaming.NewDecoder(framer.NewFrameReader(io.NopCloser(strings.NewReader(stream))), events), objects)
	for {
		kind, o, err := d.Decode()
		if err != nil {
			return all, err
		}
		all = append(all, watch.Event{Type: kind, Object: o})
	}
}

// TestDecodingIsTheLibrarys has the same come of it as with the agents' own serializer.
func TestDecodingIsTheLibrarys(t *testing.T) {
	want, end := decoded(t, node.Serializer(), stream)
	if len(want) != 3 || !errors.Is(end, io.EOF) {
		t.Fatalf("%v, %v", want, end)
	}
	node.Slim(want[0].Object)
	shared := newDecoding()
	one, end := decoded(t, shared, stream)
	if !errors.Is(end, io.EOF) || !reflect.DeepEqual(one, want) {
		t.Errorf("%+v, %v; expected %+v", one, end, want)
	}
	if a := one[1].Object.(metav1.Object).GetAnnotations(); a[metav1.InitialEventsAnnotationKey] != "true" {
		t.Errorf("the bookmark lost what it is for: %v", a)
	}
	two, _ := decoded(t, shared, stream)
	for i := range two {
		if one[i].Object != two[i].Object {
			t.Errorf("%v is not shared", two[i])
		}
	}
	if bad, end := decoded(t, shared, "{\"type\":\n"); len(bad) != 0 || end == nil || errors.Is(end, io.EOF) {
		t.Errorf("nonsense: %v, %v", bad, end)
	}
}

// TestMemoryForgets has no more in it than two maps.
func TestMemoryForgets(t *testing.T) {
	var m memory[int]
	made := 0
	ask := func(i int) {
		if v, err := m.get([]byte{byte(i >> 8), byte(i)}, func() (int, error) { made++; return i, nil }); v != i || err != nil {
			t.Fatalf("%d: %d, %v", i, v, err)
		}
	}
	for i := range 3 * remembered {
		ask(0)
		ask(i)
	}
	if made != 3*remembered || len(m.now)+len(m.old) > 2*remembered {
		t.Errorf("%d made, %d and %d remembered", made, len(m.now), len(m.old))
	}
}
