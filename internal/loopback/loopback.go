// Package loopback finds addresses for servers that tests and benchmarks start
// themselves. A Caddy takes a port that another Caddy has and says nothing
// (SO_REUSEPORT), so it promises an address that
//
//   - nobody listens on,
//   - no system gives to whoever needs any port, and
//   - no call of this process has got before (of the last 20 000).
package loopback

import (
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
	"sync/atomic"
)

// Ports below those that systems give away (Linux: from 32768).
const firstPort, ports = 10_000, 20_000

// last begins anywhere, since other processes look for ports at the same time.
var last atomic.Uint32

func init() { last.Store(rand.Uint32()) }

// FreeAddr returns such an address of 127.0.0.1, with its port.
func FreeAddr() (string, error) {
	for range 1000 {
		addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(int(firstPort+last.Add(1)%ports)))
		if l, err := net.Listen("tcp", addr); err == nil {
			return addr, l.Close()
		}
	}
	return "", errors.New("no port is free")
}
