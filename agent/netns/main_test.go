package netns_test

import (
	"os"
	"testing"

	"github.com/smcroute/kube-smcroute/test/netlab"
)

// childEnv makes the test binary run childMain; its value is the path of a
// network namespace.
const childEnv = "NETNS_CHILD"

func TestMain(m *testing.M) {
	if path := os.Getenv(childEnv); path != "" {
		childMain(path)
		return
	}
	netlab.Main(m)
}
