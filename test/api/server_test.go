package api

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/smcroute/kube-smcroute/test/crd"
	"github.com/smcroute/kube-smcroute/test/kubelab"
	"github.com/smcroute/kube-smcroute/test/netlab"
)

// The API server says of each object what config/crd's validator says of it.
func TestInvalidObjects(t *testing.T) {
	lab := start(t)
	cases, err := crd.Invalid()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		t.Run(c.Name(), func(t *testing.T) {
			err := create(lab, c)
			var status *apierrors.StatusError
			if !errors.As(err, &status) {
				t.Fatalf("%s: accepted, or another error: %v", c.File, err)
			}
			for _, want := range c.Want {
				if !said(status, want) {
					t.Errorf("%s: got %v\nwant %s", c.File, err, want)
				}
			}
		})
	}
}

func TestValidObjects(t *testing.T) {
	lab := start(t)
	cases, err := crd.Valid()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		if err := create(lab, c); err != nil {
			t.Errorf("%s: %s: %v", c.File, c.Name(), err)
		}
	}
}

// create asks the server to take an object, without keeping it. A field that it
// does not know is an error, as for kubectl.
func create(lab *kubelab.Lab, c crd.Case) error {
	o := c.Object.DeepCopy()
	if o.GetNamespace() == "" {
		o.SetNamespace("default")
	}
	return lab.Client.Create(context.Background(), o, client.DryRunAll, client.FieldValidation(metav1.FieldValidationStrict))
}

// said reports whether one of the causes is want.
func said(status *apierrors.StatusError, want string) bool {
	if status.ErrStatus.Details != nil {
		for _, c := range status.ErrStatus.Details.Causes {
			// The server adds the bad value between the kind of error and the text.
			field, text, _ := strings.Cut(want, ": ")
			if c.Field != field {
				continue
			}
			kind, text, ok := strings.Cut(text, ": ")
			if strings.HasPrefix(c.Message, kind) && (!ok || strings.HasSuffix(c.Message, text)) {
				return true
			}
		}
	}
	return strings.Contains(status.Error(), want)
}

// Samples are accepted by the server as they are, and are gone again with no
// more ado: nothing holds an object of ours back.
func TestSamples(t *testing.T) {
	lab := start(t)
	root, err := kubelab.Root()
	if err != nil {
		t.Fatal(err)
	}
	samples := filepath.Join(root, "config/samples")
	files, err := filepath.Glob(filepath.Join(samples, "*.yaml"))
	if err != nil || len(files) < 2 {
		t.Fatalf("samples: %v, %v", files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if filepath.Base(file) == "kustomization.yaml" {
			for _, f := range files {
				if f != file && !strings.Contains(string(text), filepath.Base(f)) {
					t.Errorf("kustomization.yaml does not have %s", filepath.Base(f))
				}
			}
		}
	}
	out := lab.Kubectl("apply", "-k", samples)
	if n := strings.Count(out, " created"); n < len(files)-1 {
		t.Errorf("%d objects created of %d files:\n%s", n, len(files)-1, out)
	}
	out = lab.Kubectl("get", "multicast", "-A", "-o", "jsonpath={.items[*].metadata.finalizers}")
	if out != "" {
		t.Errorf("finalizers: %s", out)
	}
	lab.Kubectl("delete", "-k", samples, "--timeout=2m")
}

// kubectl explain shows our comments.
func TestExplain(t *testing.T) {
	lab := start(t)
	for field, want := range map[string]string{
		"mcroute.spec.groups":                "multicast addresses or prefixes",
		"mcroute.spec.to.ttlThreshold":       "TTL",
		"mcroute.spec.networkNamespace.type": "Pod",
		"mcns.status.nextReportTime":         "due",
	} {
		// The server publishes a schema some time after it has the CRD.
		var out string
		var err error
		if !netlab.Poll(patience, func() bool {
			out, err = lab.TryKubectl("explain", field)
			return strings.Contains(out, want)
		}) {
			t.Errorf("kubectl explain %s does not say %q: %v\n%s", field, want, err, out)
		}
	}
}
