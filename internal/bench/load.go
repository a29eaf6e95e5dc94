package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// client is one HTTP/1.1 connection that asks one thing at a time and sees
// when the first byte of the answer arrives. A connection that broke or was
// closed is opened again by the next get.
type client struct {
	addr string
	conn net.Conn
	br   *bufio.Reader
	req  []byte
}

// reply is what one answer looked like.
type reply struct {
	status int
	header http.Header
	ttfb   time.Duration // request written to first byte of the header
	length int64
}

// patience is how long any single answer may take.
const patience = 60 * time.Second

func (c *client) dial() error {
	conn, err := net.Dial("tcp", c.addr)
	if err != nil {
		return err
	}
	c.conn = conn
	if c.br == nil {
		c.br = bufio.NewReaderSize(nil, 64<<10)
	}
	c.br.Reset(conn)
	return nil
}

func (c *client) close() {
	if c.conn != nil {
		c.conn.Close()
		c.conn = nil
	}
}

// get asks for the target and hands the body to read, which may be nil.
func (c *client) get(target string, read func(io.Reader) (int64, error)) (reply, error) {
	if c.conn == nil {
		if err := c.dial(); err != nil {
			return reply{}, err
		}
	}
	r, keep, err := c.exchange(target, read)
	if err != nil || !keep {
		c.close()
	}
	return r, err
}

func (c *client) exchange(target string, read func(io.Reader) (int64, error)) (r reply, keep bool, err error) {
	c.req = append(c.req[:0], "GET "...)
	c.req = append(c.req, target...)
	c.req = append(c.req, " HTTP/1.1\r\nHost: "...)
	c.req = append(c.req, c.addr...)
	c.req = append(c.req, "\r\n\r\n"...)
	start := time.Now()
	_ = c.conn.SetDeadline(start.Add(patience))
	if _, err := c.conn.Write(c.req); err != nil {
		return r, false, err
	}
	if _, err := c.br.Peek(1); err != nil {
		return r, false, err
	}
	r.ttfb = time.Since(start)
	resp, err := http.ReadResponse(c.br, nil)
	if err != nil {
		return r, false, err
	}
	r.status, r.header = resp.StatusCode, resp.Header
	if read == nil {
		read = discard
	}
	r.length, err = read(resp.Body)
	resp.Body.Close()
	return r, !resp.Close, err
}

func discard(body io.Reader) (int64, error) { return io.Copy(io.Discard, body) }

// outcome is what a generator saw.
type outcome struct {
	requests, errors int
	seconds          float64
	p50, p99         float64 // seconds
}

// closedLoop lets so many clients ask the contestant for whatever target
// returns, one request after the other each, until the time is over.
func closedLoop(ctx context.Context, clients []*client, d time.Duration, target func() string) (outcome, []time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	var failed atomic.Int64
	times := make([][]time.Duration, len(clients))
	var group sync.WaitGroup
	start := time.Now()
	for i, c := range clients {
		group.Go(func() {
			for ctx.Err() == nil {
				r, err := c.get(target(), nil)
				if err != nil || r.status != http.StatusOK {
					failed.Add(1)
					continue
				}
				times[i] = append(times[i], r.ttfb)
			}
		})
	}
	group.Wait()
	all := slices.Concat(times...)
	return outcome{
		requests: len(all),
		errors:   int(failed.Load()),
		seconds:  time.Since(start).Seconds(),
		p50:      quantile(all, 0.50),
		p99:      quantile(all, 0.99),
	}, all
}

func newClients(addr string, n int) []*client {
	clients := make([]*client, n)
	for i := range clients {
		clients[i] = &client{addr: addr}
	}
	return clients
}

func closeClients(clients []*client) {
	for _, c := range clients {
		c.close()
	}
}

// numbered returns a function that gives every call a target of its own.
func numbered(prefix string) func() string {
	var n atomic.Int64
	return func() string { return prefix + strconv.FormatInt(n.Add(1), 10) }
}

// each runs fn(0) … fn(n-1) on so many clients and returns what failed.
func each(clients []*client, n int, fn func(c *client, i int) error) error {
	var next atomic.Int64
	errs := make([]error, len(clients))
	var group sync.WaitGroup
	for w, c := range clients {
		group.Go(func() {
			for errs[w] == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				errs[w] = fn(c, i)
			}
		})
	}
	group.Wait()
	return errors.Join(errs...)
}
