//go:build race

package lbpolicy

// raceDetector reports a build with -race, where a sync.Pool forgets at random.
const raceDetector = true
