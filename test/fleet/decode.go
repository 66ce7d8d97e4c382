package fleet

import (
	"bufio"
	"io"
	"slices"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/smcroute/kube-smcroute/controllers/node"
)

// decoding is the agents' serializer, except that what the API server sends to all of
// them in the same words is decoded once: the real one looks at each event nine times,
// which is nothing for one agent, but more than all else for the agents of thousands of
// nodes in one process. They share the objects, which nobody changes.
type decoding struct {
	runtime.NegotiatedSerializer
	events  memory[metav1.WatchEvent]
	objects memory[object]
}

// object is one that was decoded.
type object struct {
	runtime.Object
	kind *schema.GroupVersionKind
}

func newDecoding() *decoding { return &decoding{NegotiatedSerializer: node.Serializer()} }

// SupportedMediaTypes implements [runtime.NegotiatedSerializer].
func (d *decoding) SupportedMediaTypes() []runtime.SerializerInfo {
	all := slices.Clone(d.NegotiatedSerializer.SupportedMediaTypes())
	for i := range all {
		if s := all[i].StreamSerializer; all[i].MediaType == runtime.ContentTypeJSON && s != nil {
			all[i].StreamSerializer = &runtime.StreamSerializerInfo{
				EncodesAsText: true, Serializer: eventSerializer{s.Serializer, d}, Framer: lines{s.Framer},
			}
		}
	}
	return all
}

// DecoderToVersion implements [runtime.NegotiatedSerializer].
func (d *decoding) DecoderToVersion(from runtime.Decoder, to runtime.GroupVersioner) runtime.Decoder {
	return objectDecoder{d.NegotiatedSerializer.DecoderToVersion(from, to), d}
}

// eventSerializer decodes the frames of a watch.
type eventSerializer struct {
	runtime.Serializer
	shared *decoding
}

// Decode implements [runtime.Decoder].
func (s eventSerializer) Decode(data []byte, kind *schema.GroupVersionKind, into runtime.Object) (runtime.Object, *schema.GroupVersionKind, error) {
	event, ok := into.(*metav1.WatchEvent)
	if !ok {
		return s.Serializer.Decode(data, kind, into)
	}
	e, err := s.shared.events.get(data, func() (metav1.WatchEvent, error) {
		var e metav1.WatchEvent
		_, _, err := s.Serializer.Decode(data, kind, &e)
		return e, err
	})
	if err != nil {
		return nil, nil, err
	}
	*event = e
	return event, nil, nil
}

// objectDecoder decodes objects.
type objectDecoder struct {
	runtime.Decoder
	shared *decoding
}

// Decode implements [runtime.Decoder].
func (d objectDecoder) Decode(data []byte, kind *schema.GroupVersionKind, into runtime.Object) (runtime.Object, *schema.GroupVersionKind, error) {
	if into != nil || len(data) == 0 || data[0] != '{' {
		return d.Decoder.Decode(data, kind, into)
	}
	o, err := d.shared.objects.get(data, func() (object, error) {
		o, k, err := d.Decoder.Decode(data, kind, nil)
		// A bookmark says in an annotation what it is for.
		if m, ok := o.(metav1.Object); ok && m.GetAnnotations()[metav1.InitialEventsAnnotationKey] == "" {
			node.Slim(o)
		}
		return object{o, k}, err
	})
	return o.Object, o.kind, err
}

// memory remembers what came of data lately.
type memory[T any] struct {
	mu       sync.Mutex
	now, old map[string]T
}

// remembered is how many values each of the two maps of a memory has.
const remembered = 4096

// get returns what of says of data, or has said.
func (m *memory[T]) get(data []byte, of func() (T, error)) (T, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	v, ok := m.now[string(data)]
	if ok {
		return v, nil
	}
	if v, ok = m.old[string(data)]; !ok {
		var err error
		if v, err = of(); err != nil {
			return v, err
		}
	}
	if len(m.now) >= remembered || m.now == nil {
		m.now, m.old = map[string]T{}, m.now
	}
	m.now[string(data)] = v
	return v, nil
}

// lines are the frames of a watch in JSON: the API server writes each event as one.
type lines struct{ runtime.Framer }

// NewFrameReader implements [runtime.Framer].
func (lines) NewFrameReader(r io.ReadCloser) io.ReadCloser {
	s := bufio.NewScanner(r)
	s.Buffer(make([]byte, 0, 4<<10), 16<<20)
	return &lineReader{Closer: r, lines: s}
}

// lineReader returns a line with each Read, or a part of it and [io.ErrShortBuffer].
type lineReader struct {
	io.Closer
	lines *bufio.Scanner
	rest  []byte
}

// Read implements [io.Reader].
func (r *lineReader) Read(to []byte) (int, error) {
	if len(r.rest) == 0 {
		if !r.lines.Scan() {
			if err := r.lines.Err(); err != nil {
				return 0, err
			}
			return 0, io.EOF
		}
		r.rest = r.lines.Bytes()
	}
	n := copy(to, r.rest)
	if r.rest = r.rest[n:]; len(r.rest) > 0 {
		return n, io.ErrShortBuffer
	}
	return n, nil
}
