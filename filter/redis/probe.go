package redis

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/redis/rueidis"
)

// A probe does what operations do: it runs a script that writes. A server that
// answers PING may still refuse that, being a replica, full, or forbidding it.
var probe = NewScript(`redis.call('SET', KEYS[1], 1, 'PX', 1000) return {1}`)

// watch connects, waits until the connection is down, and so on, until Close.
func (c *Conn) watch() {
	pause, cause := firstPause, error(nil)
	for first := true; ; first = false {
		if cause != nil {
			c.onState(false, cause)
		}
		if pause = c.restore(pause, first); c.ctx.Err() != nil {
			return
		}
		since := time.Now()
		c.failures.reset()
		c.up.Store(true)
		if first {
			c.firstTried()
		}
		c.onState(true, nil)
		select {
		case cause = <-c.down:
		case <-c.ctx.Done():
			return
		}
		if time.Since(since) > stableAfter {
			pause = firstPause
		}
	}
}

func (c *Conn) firstTried() {
	select {
	case <-c.tried:
	default:
		close(c.tried)
	}
}

// restore probes until one succeeds or the connection is closed. It returns the
// pause to begin with next time.
func (c *Conn) restore(pause time.Duration, first bool) time.Duration {
	for told := !first; ; {
		err := c.try()
		if err == nil || c.ctx.Err() != nil {
			return pause
		}
		c.firstTried()
		if !told {
			told = true
			c.onState(false, err)
		}
		jittered := pause/2 + rand.N(pause)
		select {
		case <-time.After(jittered):
		case <-c.ctx.Done():
		}
		pause = min(2*pause, longestPause)
	}
}

// try connects if that has not been done, and probes. It has to succeed within an
// operation's timeout, or operations would fail again.
func (c *Conn) try() error {
	if c.client.Load() == nil {
		client, err := rueidis.NewClient(c.option)
		if err != nil {
			return err
		}
		c.client.Store(&client)
	}
	// The first one may have to connect again, and leaves the script with the server.
	for _, limit := range []time.Duration{dialTimeout, c.timeout} {
		ctx, cancel := context.WithTimeout(c.ctx, limit)
		err := probe.lua.Exec(ctx, *c.client.Load(), []string{c.prefix + "probe"}, nil).Error()
		cancel()
		if err != nil {
			return err
		}
	}
	return nil
}
