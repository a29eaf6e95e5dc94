package main

import (
	"fmt"

	"github.com/caddy-portico/portico/internal/lbsim"
)

// runLBSim plays many more scenarios than can be had over real connections, with
// the same cores of the policies and models of Caddy's own, HAProxy's and nginx's.
// It prints where least_time is worse as well.
func runLBSim(b *bench) error {
	fmt.Fprintln(b.report.w)
	return lbsim.Table(b.report.w)
}
