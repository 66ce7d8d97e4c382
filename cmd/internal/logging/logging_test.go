package logging

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/spf13/pflag"
	"k8s.io/klog/v2"
	controllerruntime "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/smcroute/kube-smcroute/agent/core"
)

func TestFlags(t *testing.T) {
	o := Options{Level: LevelNotice}
	set := pflag.NewFlagSet("", pflag.ContinueOnError)
	o.AddFlags(set)
	if got := set.Lookup("log-level").DefValue; got != "notice" {
		t.Errorf("default of --log-level is %q", got)
	}
	if err := set.Parse([]string{"--log-level=debug", "--log-format=json"}); err != nil {
		t.Fatal(err)
	}
	if o.Level != slog.LevelDebug || o.Format != "json" {
		t.Errorf("%+v", o)
	}
	for _, bad := range []string{"--log-level=loud", "--log-format=xml"} {
		if err := set.Parse([]string{bad}); err == nil || !strings.Contains(err.Error(), "expected ") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func TestNotice(t *testing.T) {
	if LevelNotice != core.LevelNotice {
		t.Errorf("%v is not the agent's %v", LevelNotice, core.LevelNotice)
	}
	for format, want := range map[string]string{"text": "level=NOTICE msg=programmed", "json": `"level":"NOTICE","msg":"programmed"`} {
		var b bytes.Buffer
		log := New(&b, Options{Level: LevelNotice, Format: format})
		log.Info("quiet")
		log.Log(context.Background(), LevelNotice, "programmed")
		if !strings.Contains(b.String(), want) || strings.Contains(b.String(), "quiet") {
			t.Errorf("%s: %s", format, b.String())
		}
	}
}

func TestLead(t *testing.T) {
	var b bytes.Buffer
	Lead(New(&b, Options{Level: slog.LevelInfo, Format: "text"}))
	controllerruntime.Log.Info("from the manager")
	controllerruntime.Log.Error(errors.New("why"), "of the manager")
	klog.Background().Info("from the client")
	klog.Warning("old style")
	for _, want := range []string{`msg="from the manager"`, `msg="of the manager"`, "err", "why", `msg="from the client"`, `msg="old style"`} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %s in\n%s", want, b.String())
		}
	}
}
