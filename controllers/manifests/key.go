package manifests

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"github.com/smcroute/kube-smcroute/controllers/translate"
)

// DefaultNamespace is that of objects which name none, as with kubectl.
const DefaultNamespace = "default"

// Key names an object.
type Key struct {
	Kind            translate.Kind
	Namespace, Name string
}

// String returns "MulticastRoute default/studio".
func (k Key) String() string { return string(k.Kind) + " " + k.Namespace + "/" + k.Name }

// Compare orders keys by kind, namespace and name.
func (k Key) Compare(l Key) int {
	return cmp.Or(
		strings.Compare(string(k.Kind), string(l.Kind)),
		strings.Compare(k.Namespace, l.Namespace),
		strings.Compare(k.Name, l.Name))
}

// uid is the same for the same key, always.
func (k Key) uid() types.UID {
	h := sha256.Sum256([]byte("manifests " + k.String()))
	return types.UID(fmt.Sprintf("%x-%x-%x-%x-%x", h[:4], h[4:6], h[6:8], h[8:10], h[10:16]))
}
