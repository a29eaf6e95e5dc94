//go:build race

package lbsim

// raceDetector reports a build with -race. A simulation is one goroutine: with
// the detector it only takes ten times as long.
const raceDetector = true
