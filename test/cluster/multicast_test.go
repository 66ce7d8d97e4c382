package cluster

import (
	"context"
	"encoding/json"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/smcroute/kube-smcroute/test/clusterlab"
)

// multicast is "kubectl multicast" for somebody, and what it prints.
func (s *system) multicast(who string, args ...string) (stdout, stderr string, err error) {
	kubectl, _ := clusterlab.Clients()
	cmd := exec.Command(kubectl, append([]string{"multicast", "--as", who}, args...)...)
	cmd.Env = append(s.Env(), "LC_ALL=C.UTF-8")
	for i, e := range cmd.Env {
		if path, ok := strings.CutPrefix(e, "PATH="); ok {
			cmd.Env[i] = "PATH=" + made("") + ":" + path
		}
	}
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	s.t.Logf("%s$ kubectl multicast %s\n%s%s", who, strings.Join(args, " "), &out, &errs)
	return out.String(), errs.String(), err
}

// bind gives somebody a role: of one namespace, or of all.
func (s *system) bind(who, kind, role, namespace string) {
	s.t.Helper()
	meta := metav1.ObjectMeta{Name: who + "-" + role, Namespace: namespace}
	subjects := []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: who}}
	ref := rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: kind, Name: role}
	var o client.Object = &rbacv1.RoleBinding{ObjectMeta: meta, Subjects: subjects, RoleRef: ref}
	if namespace == "" {
		o = &rbacv1.ClusterRoleBinding{ObjectMeta: meta, Subjects: subjects, RoleRef: ref}
	}
	if err := s.Client.Create(context.Background(), o); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		if err := s.Client.Delete(context.Background(), o); err != nil {
			s.t.Error(err)
		}
	})
}

// A stream from the studio reaches a pod on each node. Who has the roles for it sees
// that live, from all agents at once, with the pods at the end of the tree; who has
// one of them sees what the agents reported; and who may only view the namespace sees
// its routes.
func TestKubectlMulticast(t *testing.T) {
	s := start(t)
	s.bind("operator", "ClusterRole", "kube-smcroute-observer", "")
	s.bind("operator", "Role", "kube-smcroute-agent-exec", release)
	s.bind("observer", "ClusterRole", "kube-smcroute-observer", "")
	s.bind("viewer", "ClusterRole", "view", place)

	s.apply(route("seen", `from: {interface: eth1}, to: [{pods: {matchLabels: {app: seen}}}], join: true, sources: [`+s.studio.source("232.7.7.7")+`], groups: [232.7.7.7]`))
	players := s.players("seen", s.Nodes, "232.7.7.7")
	stream := s.studio.stream(50, "232.7.7.7")
	defer stream.stop()
	tunes(players, stream.flows())
	s.programmed("seen", int32(len(s.Nodes)))

	match := func(text, expression string) {
		t.Helper()
		if !regexp.MustCompile("(?m)" + expression).MatchString(text) {
			t.Errorf("no %q in\n%s", expression, text)
		}
	}
	source := regexp.QuoteMeta(s.studio.source("232.7.7.7"))
	out, _, err := s.multicast("operator", "routes", "-n", place, "--rate", "1")
	if err != nil {
		t.Error(err)
	}
	for _, n := range s.Nodes {
		match(out, `^`+n.Name+` +studio/seen +`+source+` +232.7.7.7 +eth1 +\S+ +programmed +[1-9][0-9.]* +[1-9]`)
	}
	out, _, err = s.multicast("operator", "flows", "-n", place, "232.7.7.7", "--node", s.Nodes[1].Name, "-o", "json")
	var flows struct{ Flows []struct{ Node, Kind string } }
	if err != nil || json.Unmarshal([]byte(out), &flows) != nil || len(flows.Flows) != 1 || flows.Flows[0].Node != s.Nodes[1].Name || flows.Flows[0].Kind != "static" {
		t.Errorf("%v: expected one flow of %s, found %s", err, s.Nodes[1].Name, out)
	}
	out, _, err = s.multicast("operator", "tree", "seen", "-n", place)
	if err != nil {
		t.Error(err)
	}
	match(out, `^`+source+` -> 232.7.7.7$`)
	for i, n := range s.Nodes {
		match(out, `^[├└]─ `+n.Name+` eth1\n.* [├└]─ \S+\n.* └─ pod studio/`+players[i].name+`$`)
	}
	out, _, err = s.multicast("operator", "top", "-n", place, "--count", "1", "--delay", "1")
	if err != nil {
		t.Error(err)
	}
	match(out, `  3 nodes  3 flows, 3 running  [1-9]`)
	out, _, _ = s.multicast("operator", "flows", "-A", "--node", "nowhere")
	match(out, `^! nowhere: there is no agent on the node$`)

	out, _, err = s.multicast("observer", "routes", "-n", place)
	if err != nil {
		t.Error(err)
	}
	match(out, `^# you may not exec in pods of namespace kube-smcroute: this is what agents reported last`)
	match(out, `^`+s.Nodes[0].Name+` +studio/seen +`+source+` +232.7.7.7 +eth1 +pods app=seen +programmed `)
	out, _, err = s.multicast("viewer", "routes", "-n", place)
	if err != nil {
		t.Error(err)
	}
	match(out, `^3/3 +studio/seen .* programmed `)
	if _, errs, err := s.multicast("viewer", "top", "-n", place); err == nil || !strings.Contains(errs, "top needs the agents themselves") {
		t.Errorf("a viewer's top: %v, %s", err, errs)
	}
}
