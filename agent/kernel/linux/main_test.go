package linux

import (
	"testing"

	"github.com/smcroute/kube-smcroute/test/netlab"
)

func TestMain(m *testing.M) { netlab.Main(m) }
