package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"strings"
)

// runBatch carries out the commands on standard input, one a line, and returns
// the sum of their exit codes, modulo 256. Blank lines and those that begin
// with a # are skipped.
func (c *control) runBatch(ctx context.Context) int {
	sum := 0
	in := bufio.NewReader(c.stdin)
	for {
		line, err := in.ReadString('\n')
		c.line++
		if words := strings.Fields(line); len(words) > 0 && !strings.HasPrefix(words[0], "#") {
			sum += c.do(ctx, words)
		}
		switch {
		case err == nil:
		case errors.Is(err, io.EOF):
			return sum % 256
		default:
			c.complain("Failed reading commands: " + err.Error())
			return max(1, sum%256)
		}
	}
}
