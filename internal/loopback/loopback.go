// Package loopback finds addresses for servers that tests and benchmarks start
// themselves. A Caddy takes a port that another Caddy has and says nothing
// (SO_REUSEPORT), so it promises an address that
//
//   - nobody listens on,
//   - no system gives to whoever needs any port,
//   - no other process has got from here, whether it listens there or wants
//     nobody to, and
//   - no call of this process has got before (of the last 4 000).
package loopback

import (
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
)

// Ports below those that systems give away (Linux: from 32768), in blocks. Who
// listens on the first port of a block has it.
const (
	firstPort = 10_000
	blocks    = 200
	blockSize = 100
	most      = 40 // blocks of one process
)

var errNone = errors.New("no port is free")

// mine are the ports of this process.
var mine struct {
	sync.Mutex
	next, end int            // of its newest block
	claims    []net.Listener // of its blocks; they end with the process
}

// FreeAddr returns such an address of 127.0.0.1, with its port.
func FreeAddr() (string, error) {
	mine.Lock()
	defer mine.Unlock()
	for {
		if mine.next == mine.end {
			if err := claim(); err != nil {
				return "", err
			}
		}
		mine.next++
		if l, err := listen(mine.next - 1); err == nil {
			return l.Addr().String(), l.Close()
		}
	}
}

// claim takes a block that nobody has, and gives the oldest away if there are
// enough.
func claim() error {
	if len(mine.claims) == most {
		_ = mine.claims[0].Close()
		mine.claims = mine.claims[1:]
	}
	for range 1000 {
		first := firstPort + rand.IntN(blocks)*blockSize
		if l, err := listen(first); err == nil {
			mine.claims = append(mine.claims, l)
			mine.next, mine.end = first+1, first+blockSize
			return nil
		}
	}
	return errNone
}

func listen(port int) (net.Listener, error) {
	return net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
}
