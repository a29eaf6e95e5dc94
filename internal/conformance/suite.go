// Package conformance runs the public suite of HTTP cache tests, which other
// caches publish their results of as well, against Caddy with response_cache:
// its origin server behind, its client in front, both in Node.js.
//
//	s, err := conformance.Open(ctx, dir) // where npm put it, or a checkout of its repository
//	origin, err := s.Serve(ctx)          // its origin server, on a port of its own
//	results, err := s.Run(ctx, url)      // its client, against the cache at url
//	report := conformance.Judge(s.Tests, results)
//
// The verdict on each test is a golden file in testdata/conformance, so a
// change of behaviour is a change somebody reads (golden.go), and
// docs/conformance.md explains every test that is missed. Nothing outside this
// package knows the suite.
package conformance

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// A Suite is the public suite in one of its two forms. They differ in layout
// and in tests: the release is older than what other caches are measured by.
type Suite struct {
	Name  string // "release": the package on npm; "repository": a checkout
	Tests []Test

	dir    string
	engine string // where server/ and cli.mjs are, below dir
}

// Open finds the suite in dir: in its node_modules, or dir is the suite itself.
// It needs node.
func Open(ctx context.Context, dir string) (*Suite, error) {
	if installed := filepath.Join(dir, "node_modules", "http-cache-tests"); exists(installed) {
		dir = installed
	}
	s := &Suite{Name: "release", dir: dir}
	if exists(filepath.Join(dir, "test-engine")) {
		s.Name, s.engine = "repository", "test-engine"
	}
	err := s.list(ctx)
	return s, err
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// listing prints every test the client runs. Its Surrogate-Control tests, in
// the release alone, are not in the index: the client adds them itself.
const listing = `
import fs from 'fs'
const suites = (await import('./tests/index.mjs')).default
if (fs.existsSync('tests/surrogate-control.mjs')) {
	suites.push((await import('./tests/surrogate-control.mjs')).default)
}
console.log(JSON.stringify(suites.flatMap(suite => suite.tests)))`

func (s *Suite) list(ctx context.Context) error {
	out, err := output(s.node(ctx, "--input-type=module", "--eval", listing))
	if err != nil {
		return fmt.Errorf("listing the tests of %s: %w", s.dir, err)
	}
	if err := json.Unmarshal(out, &s.Tests); err != nil {
		return fmt.Errorf("reading the list of tests of %s: %w", s.dir, err)
	}
	return nil
}

// node is a run of node in the suite's directory. The suite reads its options
// as npm hands them over, from the environment.
func (s *Suite) node(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "node", args...)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), "npm_package_config_id=", "npm_config_id=", "npm_config_protocol=http",
		"npm_config_port=0", "npm_config_pidfile="+os.DevNull)
	return cmd
}

var listening = regexp.MustCompile(`^Listening on .*:(\d+)/$`)

// Serve starts the suite's origin server and returns its address. The server
// ends with ctx.
func (s *Suite) Serve(ctx context.Context) (addr string, err error) {
	cmd := s.node(ctx, filepath.Join(s.engine, "server", "server.mjs"))
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return "", err
	}
	if err := cmd.Start(); err != nil {
		return "", fmt.Errorf("starting the suite's server: %w", err)
	}
	lines := bufio.NewReader(stdout)
	for {
		line, err := lines.ReadString('\n')
		if m := listening.FindStringSubmatch(strings.TrimSpace(line)); m != nil {
			go drain(cmd, lines)
			return "127.0.0.1:" + m[1], nil
		}
		if err != nil {
			return "", fmt.Errorf("the suite's server does not listen: %w\n%s", errors.Join(err, cmd.Wait()), &complaints)
		}
	}
}

// drain keeps the server from waiting for a reader of what it prints. That it
// ends by a signal is how it is meant to end.
func drain(cmd *exec.Cmd, r io.Reader) {
	_, _ = io.Copy(io.Discard, r)
	_ = cmd.Wait()
}

// Run runs every test against the cache at url, in which the suite's server is
// the origin.
func (s *Suite) Run(ctx context.Context, url string) (Results, error) {
	cmd := s.node(ctx, "--no-warnings", filepath.Join(s.engine, "cli.mjs"))
	cmd.Env = append(cmd.Env, "npm_config_base="+url)
	out, err := output(cmd)
	if err != nil {
		return nil, fmt.Errorf("running the suite's client: %w", err)
	}
	var results Results
	if err := json.Unmarshal(out, &results); err != nil {
		return nil, fmt.Errorf("reading the results: %w\n%s", err, out)
	}
	return results, nil
}

// output is what cmd prints; its error has what cmd complains of.
func output(cmd *exec.Cmd) ([]byte, error) {
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%w\n%s", err, &complaints)
	}
	return out, nil
}
