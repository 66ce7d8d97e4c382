package config_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
)

// rights lists what rules allow, "verb group/resource", in order.
func rights(rules []rbacv1.PolicyRule) []string {
	var all []string
	for _, r := range rules {
		names := ""
		if len(r.ResourceNames) > 0 {
			names = " " + strings.Join(r.ResourceNames, ",")
		}
		for _, group := range r.APIGroups {
			for _, resource := range r.Resources {
				for _, verb := range r.Verbs {
					all = append(all, verb+" "+group+"/"+resource+names)
				}
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// writes are those rights that are more than to look.
func writes(rules []rbacv1.PolicyRule) []string {
	return slices.DeleteFunc(rights(rules), func(r string) bool {
		verb, _, _ := strings.Cut(r, " ")
		return slices.Contains([]string{"get", "list", "watch"}, verb)
	})
}

// reads are the resources that may be looked at.
func reads(rules []rbacv1.PolicyRule) []string {
	var all []string
	for _, r := range rights(rules) {
		verb, resource, _ := strings.Cut(r, " ")
		if slices.Contains([]string{"get", "list", "watch"}, verb) {
			all = append(all, resource)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func TestRights(t *testing.T) {
	const group = "multicast.smcroute.io"
	for _, test := range []struct {
		role          string
		reads, writes []string
	}{
		{
			role:  "kube-smcroute-agent",
			reads: []string{"/nodes", "/pods", group + "/multicastgroups", group + "/multicastnodestates", group + "/multicastroutes"},
			// Its own alone: the ValidatingAdmissionPolicy sees to that.
			writes: []string{"create " + group + "/multicastnodestates", "update " + group + "/multicastnodestates"},
		},
		{
			role:  "kube-smcroute-controller",
			reads: []string{"/nodes", group + "/multicastgroups", group + "/multicastnodestates", group + "/multicastroutes"},
			writes: []string{
				"create events.k8s.io/events", "patch events.k8s.io/events",
				"update " + group + "/multicastgroups/status", "update " + group + "/multicastroutes/status",
			},
		},
	} {
		t.Run(test.role, func(t *testing.T) {
			rules := object[*rbacv1.ClusterRole](t, "ClusterRole "+test.role).Rules
			if diff := cmp.Diff(test.reads, reads(rules)); diff != "" {
				t.Errorf("reads (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.writes, writes(rules)); diff != "" {
				t.Errorf("writes (-want +got):\n%s", diff)
			}
		})
	}
}

// Nothing that is bound to a program allows everything of something.
func TestNoWildcards(t *testing.T) {
	for name, obj := range objects(t) {
		var rules []rbacv1.PolicyRule
		switch r := obj.(type) {
		case *rbacv1.ClusterRole:
			rules = r.Rules
		case *rbacv1.Role:
			rules = r.Rules
		}
		for _, right := range rights(rules) {
			if strings.Contains(right, "*") || strings.Contains(right, "/finalizers") || strings.Contains(right, "secrets") {
				t.Errorf("%s allows to %s", name, right)
			}
		}
	}
}

// Bindings name roles and accounts that are there.
func TestBindings(t *testing.T) {
	all := objects(t)
	check := func(name string, role rbacv1.RoleRef, subjects []rbacv1.Subject) {
		if all[role.Kind+" "+role.Name] == nil {
			t.Errorf("%s binds %s %s, which is not there", name, role.Kind, role.Name)
		}
		for _, s := range subjects {
			if s.Kind != "ServiceAccount" || s.Namespace != namespace || all["ServiceAccount "+s.Name] == nil {
				t.Errorf("%s binds to %s %s/%s, which is not there", name, s.Kind, s.Namespace, s.Name)
			}
		}
	}
	bindings := 0
	for name, obj := range all {
		switch b := obj.(type) {
		case *rbacv1.ClusterRoleBinding:
			check(name, b.RoleRef, b.Subjects)
			bindings++
		case *rbacv1.RoleBinding:
			check(name, b.RoleRef, b.Subjects)
			bindings++
		}
	}
	if bindings != 3 {
		t.Errorf("%d bindings, want 3", bindings)
	}
}
