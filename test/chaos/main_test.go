package chaos

import (
	"testing"

	"github.com/smcroute/kube-smcroute/test/programs"
)

func TestMain(m *testing.M) {
	programs.MainOf(m, "smcrouted", "smcroutectl", "smcroute-keeper")
}
