// Package v1alpha1 is the API multicast.smcroute.io/v1alpha1: what a user asks
// for (MulticastRoute, MulticastGroup) and what a node reports
// (MulticastNodeState).
//
// +kubebuilder:object:generate=true
// +groupName=multicast.smcroute.io
package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// GroupVersion is the group and version of the types here.
var GroupVersion = schema.GroupVersion{Group: "multicast.smcroute.io", Version: "v1alpha1"}

var builder = runtime.NewSchemeBuilder(func(s *runtime.Scheme) error {
	s.AddKnownTypes(GroupVersion,
		&MulticastRoute{}, &MulticastRouteList{},
		&MulticastGroup{}, &MulticastGroupList{},
		&MulticastNodeState{}, &MulticastNodeStateList{},
	)
	metav1.AddToGroupVersion(s, GroupVersion)
	return nil
})

// AddToScheme makes the types known to a scheme.
var AddToScheme = builder.AddToScheme
