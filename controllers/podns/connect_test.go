package podns

import (
	"context"
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// A runtime that was away for long is found soon after it is back.
func TestDialingGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var last time.Time
		conn, err := connect(func(context.Context, string) (net.Conn, error) {
			last = time.Now()
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
			if since := time.Since(last); since > 4*time.Second {
				t.Fatalf("not dialed for %v", since)
			}
		}
	})
}
