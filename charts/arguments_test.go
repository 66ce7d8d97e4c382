package charts_test

import (
	"path/filepath"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

// programs knows which options the programs that pods run have.
type programs struct {
	dir   string
	asked map[string]bool // command lines
}

// build builds them.
func build(t *testing.T) programs {
	t.Helper()
	dir := t.TempDir()
	if _, err := goCommand("build", "-o", dir+"/", "../cmd/smcroute-agent", "../cmd/smcroute-controller", "../cmd/smcroute-keeper"); err != nil {
		t.Fatal(err)
	}
	return programs{dir, map[string]bool{}}
}

// check asks the programs themselves whether they know the options that pods
// start them with.
func (p programs) check(t *testing.T, name string, r *release) {
	t.Helper()
	all := typed(t, r.Manifest)
	pods := []corev1.PodSpec{
		object[*appsv1.DaemonSet](t, all, "DaemonSet kube-smcroute-agent").Spec.Template.Spec,
		object[*appsv1.Deployment](t, all, "Deployment kube-smcroute-controller").Spec.Template.Spec,
	}
	if keeper, ok := all["DaemonSet kube-smcroute-keeper"].(*appsv1.DaemonSet); ok {
		pods = append(pods, keeper.Spec.Template.Spec)
	}
	for _, pod := range pods {
		c := pod.Containers[0]
		line := c.Command[0] + " " + strings.Join(c.Args, " ")
		if p.asked[line] {
			continue
		}
		p.asked[line] = true
		if out, err := command(nil, filepath.Join(p.dir, c.Command[0]), append(c.Args, "--version")...); err != nil {
			t.Errorf("%s: %s: %v%s", name, line, err, out)
		}
	}
}
