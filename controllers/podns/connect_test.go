package podns

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A runtime that was away for long is found soon after it is back.
func TestDialingGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var last atomic.Pointer[time.Time]
		conn, err := connect(func(context.Context, string) (net.Conn, error) {
			now := time.Now()
			last.Store(&now)
			return nil, errors.New("there is no such socket")
		})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conn.Connect()
		for range 600 {
			time.Sleep(time.Second)
			synctest.Wait()
			if since := time.Since(*last.Load()); since > 4*time.Second {
				t.Fatalf("not dialed for %v", since)
			}
		}
	})
}
