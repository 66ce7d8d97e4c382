package charts_test

import (
	"path/filepath"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

// build builds the programs that pods run, and returns their folder.
func build(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if _, err := goCommand("build", "-o", dir+"/", "../cmd/smcroute-agent", "../cmd/smcroute-controller"); err != nil {
		t.Fatal(err)
	}
	return dir
}

// checkArguments asks the programs themselves whether they know the options that
// pods start them with.
func checkArguments(t *testing.T, name, programs string, r *release) {
	t.Helper()
	all := typed(t, r.Manifest)
	for _, pod := range []corev1.PodSpec{
		object[*appsv1.DaemonSet](t, all, "DaemonSet kube-smcroute-agent").Spec.Template.Spec,
		object[*appsv1.Deployment](t, all, "Deployment kube-smcroute-controller").Spec.Template.Spec,
	} {
		c := pod.Containers[0]
		args := append(c.Args, "--version")
		if out, err := command(nil, filepath.Join(programs, c.Command[0]), args...); err != nil {
			t.Errorf("%s: %s %s: %v%s", name, c.Command[0], strings.Join(c.Args, " "), err, out)
		}
	}
}
