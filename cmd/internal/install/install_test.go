package install

import "testing"

func TestPathsFollowIdentity(t *testing.T) {
	for _, tt := range []struct{ name, got, want string }{
		{"conf", ConfPath("smcroute"), "/etc/smcroute.conf"},
		{"pid", PIDPath("one"), "/run/one.pid"},
		{"socket", SocketPath("one"), "/run/one.sock"},
		{"keeper", KeeperPath("one"), "/run/one-keeper.sock"},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, tt.got, tt.want)
		}
	}
}
