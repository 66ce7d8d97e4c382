// Package kubelab runs a real Kubernetes API server, and nodes that are network
// namespaces with a real agent in each. The tests of the API and the demo share
// it.
//
//	  program's namespace                 nodes
//	┌─────────────────────────┐       ┌────────────────────────┐
//	│ etcd    kube-apiserver  │ mgmt0 │ smcroute-agent         │ eth0, eth1, pods:
//	│         10.201.0.1:6443 ├───────┤ n1                     ├── as the test
//	│ smcroute-controller     │       └────────────────────────┘   likes it
//	│ kube-controller-manager │ mgmt0 ┌────────────────────────┐
//	│ (garbage collection)    ├───────┤ n2 ...                 │
//	└─────────────────────────┘       └────────────────────────┘
//
// There is no kubelet and no scheduler: nodes and pods are objects that the test
// makes, each with what a kubelet would have made of it: a namespace, a link and
// an address. The agents have the service account, and so exactly the
// permissions, of config/, with a token that is bound to a pod on their node.
package kubelab
