package node

import (
	"sync"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/gentype"
	"k8s.io/client-go/rest"

	"github.com/smcroute/kube-smcroute/api/v1alpha1"
)

// Client asks the API server for what an agent reads and writes, over one
// connection.
//
// It is made of the parts of client-go that do not link all kinds of Kubernetes:
// those are most of the memory of an agent that has little to do, and there is
// one on every node.
type Client struct {
	// States writes reports.
	States *gentype.Client[*v1alpha1.MulticastNodeState]

	nodes  *gentype.ClientWithList[*corev1.Node, *corev1.NodeList]
	pods   *gentype.ClientWithList[*corev1.Pod, *corev1.PodList]
	routes *gentype.ClientWithList[*v1alpha1.MulticastRoute, *v1alpha1.MulticastRouteList]
	groups *gentype.ClientWithList[*v1alpha1.MulticastGroup, *v1alpha1.MulticastGroupList]
}

// NewClient returns a client. The API server is not asked yet. The error is that
// of a configuration which makes no sense. What [Serializer] returns is used if the
// configuration has no other.
func NewClient(config *rest.Config) (*Client, error) {
	params := runtime.NewParameterCodec(scheme())
	http, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, err
	}
	of := func(path string, gv schema.GroupVersion) (rest.Interface, error) {
		c := rest.CopyConfig(config)
		c.APIPath, c.GroupVersion = path, &gv
		if c.NegotiatedSerializer == nil {
			c.NegotiatedSerializer = Serializer()
		}
		return rest.RESTClientForConfigAndClient(c, http)
	}
	core, err := of("/api", corev1.SchemeGroupVersion)
	if err != nil {
		return nil, err
	}
	ours, err := of("/apis", v1alpha1.GroupVersion)
	if err != nil {
		return nil, err
	}
	const all = metav1.NamespaceAll
	return &Client{
		States: gentype.NewClient("multicastnodestates", ours, params, all, zero[v1alpha1.MulticastNodeState]),
		nodes: gentype.NewClientWithList("nodes", core, params, all, zero[corev1.Node], zero[corev1.NodeList],
			gentype.PrefersProtobuf[*corev1.Node]()),
		pods: gentype.NewClientWithList("pods", core, params, all, zero[corev1.Pod], zero[corev1.PodList],
			gentype.PrefersProtobuf[*corev1.Pod]()),
		routes: gentype.NewClientWithList("multicastroutes", ours, params, all, zero[v1alpha1.MulticastRoute], zero[v1alpha1.MulticastRouteList]),
		groups: gentype.NewClientWithList("multicastgroups", ours, params, all, zero[v1alpha1.MulticastGroup], zero[v1alpha1.MulticastGroupList]),
	}, nil
}

func zero[T any]() *T { return new(T) }

// Serializer encodes and decodes what an agent reads and writes.
func Serializer() runtime.NegotiatedSerializer {
	return serializer.NewCodecFactory(scheme()).WithoutConversion()
}

// scheme is that of an agent: what it reads and writes, no more.
var scheme = sync.OnceValue(func() *runtime.Scheme {
	s := runtime.NewScheme()
	metav1.AddToGroupVersion(s, schema.GroupVersion{Version: "v1"})
	s.AddKnownTypes(corev1.SchemeGroupVersion, &corev1.Node{}, &corev1.NodeList{}, &corev1.Pod{}, &corev1.PodList{})
	metav1.AddToGroupVersion(s, corev1.SchemeGroupVersion)
	_ = v1alpha1.AddToScheme(s) // which does not fail
	return s
})
