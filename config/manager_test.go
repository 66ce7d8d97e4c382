package config_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

const namespace = "kube-smcroute"

// The agent may do what its job needs on the node, and no more.
func TestAgentPrivileges(t *testing.T) {
	agent := object[*appsv1.DaemonSet](t, "DaemonSet kube-smcroute-agent")
	pod := agent.Spec.Template.Spec
	if !pod.HostNetwork || pod.HostPID || pod.HostIPC {
		t.Errorf("expected the node's network and nothing more of it, got network %v, PIDs %v, IPC %v", pod.HostNetwork, pod.HostPID, pod.HostIPC)
	}
	meets(t, pod)
	c := container(t, pod)
	want := &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}, Add: []corev1.Capability{"NET_ADMIN", "NET_RAW"}}
	if diff := cmp.Diff(want, c.SecurityContext.Capabilities); diff != "" {
		t.Errorf("capabilities (-want +got):\n%s", diff)
	}
	confined(t, pod, c)

	env := map[string]string{}
	for _, e := range c.Env {
		if e.ValueFrom != nil && e.ValueFrom.FieldRef != nil {
			env[e.Name] = e.ValueFrom.FieldRef.FieldPath
		}
	}
	if env["NODE_NAME"] != "spec.nodeName" || env["POD_NAMESPACE"] != "metadata.namespace" {
		t.Errorf("the agent does not learn where it is: %v", env)
	}
}

// keeperDir is the one directory of the node that pods have: where the agent and
// the keeper meet.
const keeperDir = "/run/kube-smcroute"

// meets checks that a pod has that and no other directory of the node.
func meets(t *testing.T, pod corev1.PodSpec) {
	t.Helper()
	c := container(t, pod)
	found := false
	for _, v := range pod.Volumes {
		if v.HostPath == nil {
			continue
		}
		if v.HostPath.Path != keeperDir || *v.HostPath.Type != corev1.HostPathDirectoryOrCreate {
			t.Errorf("volume %s is of the node: %+v", v.Name, v.HostPath)
		}
		for _, m := range c.VolumeMounts {
			found = found || m.Name == v.Name && m.MountPath == keeperDir && !m.ReadOnly
		}
	}
	if !found {
		t.Errorf("%s of the node is not at the same path in the container", keeperDir)
	}
	if !slices.ContainsFunc(c.Args, func(a string) bool { return strings.HasSuffix(a, "="+keeperDir+"/keeper.sock") }) {
		t.Errorf("the keeper's socket is not in %v", c.Args)
	}
}

// The keeper holds descriptors, and may do nothing else.
func TestKeeperPrivileges(t *testing.T) {
	keeper := object[*appsv1.DaemonSet](t, "DaemonSet kube-smcroute-keeper")
	agent := object[*appsv1.DaemonSet](t, "DaemonSet kube-smcroute-agent")
	pod := keeper.Spec.Template.Spec
	if pod.HostNetwork || pod.HostPID || pod.HostIPC {
		t.Errorf("the keeper has network %v, PIDs %v, IPC %v of the node", pod.HostNetwork, pod.HostPID, pod.HostIPC)
	}
	if pod.AutomountServiceAccountToken == nil || *pod.AutomountServiceAccountToken {
		t.Error("the keeper has a token for the API server")
	}
	meets(t, pod)
	c := container(t, pod)
	if diff := cmp.Diff(&corev1.Capabilities{Drop: []corev1.Capability{"ALL"}}, c.SecurityContext.Capabilities); diff != "" {
		t.Errorf("capabilities (-want +got):\n%s", diff)
	}
	restricted(t, pod, c)
	if c.LivenessProbe != nil || c.ReadinessProbe.Exec == nil {
		t.Error("expected a probe of readiness alone, in the container")
	}
	u := keeper.Spec.UpdateStrategy.RollingUpdate
	if u.MaxSurge.String() != "1" || u.MaxUnavailable.String() != "0" {
		t.Errorf("surge %v, unavailable %v: expected 1 and 0", u.MaxSurge, u.MaxUnavailable)
	}
	type where struct {
		PriorityClass string
		NodeSelector  map[string]string
		Tolerations   []corev1.Toleration
	}
	of := func(p corev1.PodSpec) where { return where{p.PriorityClassName, p.NodeSelector, p.Tolerations} }
	if diff := cmp.Diff(of(agent.Spec.Template.Spec), of(pod)); diff != "" {
		t.Errorf("a node may have one without the other (-agent +keeper):\n%s", diff)
	}
}

// The agent of an update stands by beside the one that it replaces: the node has
// one all the time, and they want no port both.
func TestAgentSurges(t *testing.T) {
	agent := object[*appsv1.DaemonSet](t, "DaemonSet kube-smcroute-agent")
	u := agent.Spec.UpdateStrategy.RollingUpdate
	if u.MaxSurge.String() != "1" || u.MaxUnavailable.String() != "0" {
		t.Errorf("surge %v, unavailable %v: expected 1 and 0", u.MaxSurge, u.MaxUnavailable)
	}
	c := container(t, agent.Spec.Template.Spec)
	if len(c.Ports) > 0 {
		t.Errorf("the ports %v keep the scheduler from a second agent on a node", c.Ports)
	}
	for _, p := range []*corev1.Probe{c.LivenessProbe, c.ReadinessProbe} {
		if p.Exec == nil {
			t.Errorf("the probe %+v could reach the other agent of the node", p)
		}
	}
}

// The controller has no business on the node.
func TestControllerPrivileges(t *testing.T) {
	controller := object[*appsv1.Deployment](t, "Deployment kube-smcroute-controller")
	pod := controller.Spec.Template.Spec
	if pod.HostNetwork || pod.HostPID || pod.HostIPC || len(pod.Volumes) > 0 {
		t.Error("the controller has something of the node")
	}
	if c := pod.SecurityContext; c.RunAsNonRoot == nil || !*c.RunAsNonRoot || *c.RunAsUser == 0 {
		t.Error("the controller may run as root")
	}
	c := container(t, pod)
	if diff := cmp.Diff(&corev1.Capabilities{Drop: []corev1.Capability{"ALL"}}, c.SecurityContext.Capabilities); diff != "" {
		t.Errorf("capabilities (-want +got):\n%s", diff)
	}
	confined(t, pod, c)
	if *controller.Spec.Replicas < 2 || !slices.Contains(c.Args, "--leader-elect") {
		t.Error("expected two controllers, of which one leads")
	}
}

func container(t *testing.T, pod corev1.PodSpec) corev1.Container {
	t.Helper()
	if len(pod.Containers) != 1 || len(pod.InitContainers) != 0 {
		t.Fatalf("%d containers, %d before them: expected one", len(pod.Containers), len(pod.InitContainers))
	}
	return pod.Containers[0]
}

// confined checks what the agent and the controller have in common.
func confined(t *testing.T, pod corev1.PodSpec, c corev1.Container) {
	t.Helper()
	restricted(t, pod, c)
	if _, ok := objects(t)["ServiceAccount "+pod.ServiceAccountName]; !ok {
		t.Errorf("there is no service account %s", pod.ServiceAccountName)
	}
	for _, p := range []*corev1.Probe{c.LivenessProbe, c.ReadinessProbe} {
		if p.Exec != nil { // two agents of a node have no port of their own each
			if want := "--health-probe-bind-address=unix://" + p.Exec.Command[1]; p.Exec.Command[0] != "/smcroute-probe" || !slices.Contains(c.Args, want) {
				t.Errorf("probe %v asks another address than the program listens at: expected %s in %v", p.Exec.Command, want, c.Args)
			}
			continue
		}
		port := p.HTTPGet.Port.String()
		for _, named := range c.Ports {
			if named.Name == port {
				port = strconv.Itoa(int(named.ContainerPort))
			}
		}
		if want := "--health-probe-bind-address=" + p.HTTPGet.Host + ":" + port; !slices.Contains(c.Args, want) {
			t.Errorf("probe %s asks another address than the program listens at: expected %s in %v", p.HTTPGet.Path, want, c.Args)
		}
	}
}

// restricted checks what all programs have in common.
func restricted(t *testing.T, pod corev1.PodSpec, c corev1.Container) {
	t.Helper()
	s := c.SecurityContext
	if s.Privileged != nil && *s.Privileged || s.AllowPrivilegeEscalation == nil || *s.AllowPrivilegeEscalation ||
		s.ReadOnlyRootFilesystem == nil || !*s.ReadOnlyRootFilesystem {
		t.Errorf("expected neither privileged nor escalation, and a read-only root: %+v", s)
	}
	if p := pod.SecurityContext.SeccompProfile; p == nil || p.Type != corev1.SeccompProfileTypeRuntimeDefault {
		t.Errorf("seccomp %v, want RuntimeDefault", p)
	}
}

// The programs know the options that they are started with.
func TestOptionsExist(t *testing.T) {
	for command, args := range map[string][]string{
		"smcroute-agent":      append(container(t, object[*appsv1.DaemonSet](t, "DaemonSet kube-smcroute-agent").Spec.Template.Spec).Args, "--pod-network-namespaces"),
		"smcroute-keeper":     append(container(t, object[*appsv1.DaemonSet](t, "DaemonSet kube-smcroute-keeper").Spec.Template.Spec).Args, "--keep-routes"),
		"smcroute-controller": container(t, object[*appsv1.Deployment](t, "Deployment kube-smcroute-controller").Spec.Template.Spec).Args,
	} {
		known := literals(t, filepath.Join("../cmd", command))
		maps.Copy(known, literals(t, "../cmd/internal/logging"))
		for _, arg := range args {
			name, _, _ := strings.Cut(strings.TrimPrefix(arg, "--"), "=")
			if !known[name] {
				t.Errorf("%s: there is no option --%s", command, name)
			}
		}
	}
}

// literals returns the strings in the Go files of a directory.
func literals(t *testing.T, dir string) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s has no Go files: %v", dir, err)
	}
	all := map[string]bool{}
	for _, file := range files {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if l, ok := n.(*ast.BasicLit); ok && l.Kind == token.STRING {
				if s, err := strconv.Unquote(l.Value); err == nil {
					all[s] = true
				}
			}
			return true
		})
	}
	return all
}

// Everything that has a namespace is in the one that is made for it.
func TestNamespaces(t *testing.T) {
	all := objects(t)
	if _, ok := all["Namespace "+namespace]; !ok {
		t.Fatalf("there is no namespace %s", namespace)
	}
	cluster := []string{"Namespace", "ClusterRole", "ClusterRoleBinding", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"}
	for name, obj := range all {
		kind, _, _ := strings.Cut(name, " ")
		want := namespace
		if slices.Contains(cluster, kind) {
			want = ""
		}
		if got := namespaceOf(obj); got != want {
			t.Errorf("%s is in the namespace %q, want %q", name, got, want)
		}
	}
}

func namespaceOf(obj runtime.Object) string {
	return obj.(interface{ GetNamespace() string }).GetNamespace()
}
