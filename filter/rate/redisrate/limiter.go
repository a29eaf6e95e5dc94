// Package redisrate shares a rate limit between machines through Redis or Valkey.
//
// A decision is one round trip: a script that keeps the same sliding window as
// package rate, exact at any quota, at about ten bytes of the server's memory for
// each request that counts. The clock is the server's: machines' clocks differ, and
// a limit that several count for has to have one.
//
// Every machine counts beside it what it let through itself. That answers while
// the server is gone: the limit then holds for each machine alone, with what it
// knows, and the server's is used again as soon as it is back. And it answers
// without a round trip who has used up the limit on this machine alone, so that a
// flood does not reach the server (if the local count is exact: rate.Policy.Exact).
//
// Keys are hashed (128 bits of SHA-256): what identifies a client, perhaps a
// secret of it, does not get onto another machine.
package redisrate

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/caddy-portico/portico/filter/rate"
	"github.com/caddy-portico/portico/filter/redis"
)

//go:embed take.lua
var source string

var take = redis.NewScript(source)

// A Limiter is a shared limit. Its methods may be called from many goroutines at
// once.
type Limiter struct {
	conn  *redis.Conn
	local *rate.Limiter
	args  []string
	begin string // of what is hashed
	key   string // before the hash
	burst bool
	exact bool // the local count is
	quota int

	localDecisions atomic.Int64
}

// New shares what local limits. Other machines count with it if the connection's
// prefix, the name and the policy are the same.
func New(conn *redis.Conn, name string, local *rate.Limiter) *Limiter {
	p := local.Policy()
	return &Limiter{
		conn: conn, local: local, burst: p.Burst > 0, exact: p.Exact(), quota: p.Quota(),
		args: []string{
			strconv.Itoa(p.Limit), strconv.Itoa(p.Quota()), strconv.FormatInt(microseconds(p.Window), 10),
		},
		begin: fmt.Sprintf("%q %d/%d+%d ", name, p.Limit, p.Window, p.Burst),
		key:   conn.Prefix() + "rate:{",
	}
}

func microseconds(d time.Duration) int64 {
	return int64((d + time.Microsecond - 1) / time.Microsecond)
}

// Take asks for one request of a key; now is the time for the local count. Shared
// tells whether the machines' common count decided. It never takes longer than
// the connection's timeout, and never fails.
func (l *Limiter) Take(ctx context.Context, key string, now time.Time) (r rate.Result, shared bool) {
	if !l.conn.Up() {
		return l.takeLocal(key, now), false
	}
	if l.exact {
		if r := l.local.Peek(key, now); !r.Allowed {
			return r, true // all of the quota was used here: nobody else has had any of it
		}
	}
	list, err := l.conn.Ints(ctx, take, l.keys(key), l.args)
	if err != nil || len(list) != 3 {
		return l.takeLocal(key, now), false
	}
	r = rate.Result{
		Allowed: list[0] == 1, Quota: l.quota, Remaining: int(list[1]),
		Reset: time.Duration(list[2]) * time.Microsecond,
	}
	if r.Allowed {
		l.local.Take(key, now)
	}
	return r, true
}

func (l *Limiter) takeLocal(key string, now time.Time) rate.Result {
	l.localDecisions.Add(1)
	return l.local.Take(key, now)
}

// LocalDecisions is the number of decisions made without the server, since the
// start, because it was gone.
func (l *Limiter) LocalDecisions() int64 { return l.localDecisions.Load() }

// keys are those of a client: its log and, for a burst, its arrival time. Braces
// keep both on one node of a cluster.
func (l *Limiter) keys(key string) []string {
	sum := sha256.Sum256([]byte(l.begin + key))
	log := l.key + base64.RawURLEncoding.EncodeToString(sum[:16]) + "}"
	if !l.burst {
		return []string{log}
	}
	return []string{log, log + ":t"}
}
