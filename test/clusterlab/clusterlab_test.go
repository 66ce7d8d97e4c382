package clusterlab

import (
	"testing"
)

func TestMain(m *testing.M) { Main(m) }

func TestUp(t *testing.T) {
	c := Shared(t, Options{})
	t.Log(c.Kubectl("get", "nodes", "-o", "wide"))
}
