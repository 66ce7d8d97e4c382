package main

import "time"

// sizes are how much is measured, and how often.
type sizes struct {
	hundred, small, large int // routes

	startRounds  int // all sides take turns
	debianRounds int // in the first of them
	largeEvery   int // in every such round the large tables, too
	reloadRounds int // the C daemon has one
	addRounds    int
	listRounds   int // of listings of the large table
	firstRounds  int // packets of new flows
	onsets       int // streams that begin
	learnRounds  int
	learnTime    time.Duration // of each
	slow, fast   int           // new flows a second that are offered
	flood        int           // forged sources
	pathRounds   int
	pathTime     time.Duration // of each half of a round
	links        int           // inbound, of a router with many
	counted      int           // entries whose counters are read

	benchtime, shortBenchtime string // of Go benchmarks, and of short ones
	pimd                      bool   // whose start takes half a minute
}

var full = sizes{
	hundred: 100, small: 10_000, large: 100_000,
	startRounds: 21, debianRounds: 3, largeEvery: 3, reloadRounds: 7, addRounds: 151, listRounds: 11,
	firstRounds: 500, onsets: 100, learnRounds: 5, learnTime: time.Second, slow: 20_000, fast: 100_000,
	flood: 300_000, pathRounds: 15, pathTime: 300 * time.Millisecond, links: 200, counted: 100_000, benchtime: "20x", shortBenchtime: "2000x", pimd: true,
}

// tiny is for seeing whether it works.
var tiny = sizes{
	hundred: 10, small: 50, large: 200,
	startRounds: 1, debianRounds: 1, largeEvery: 1, reloadRounds: 1, addRounds: 1, listRounds: 1,
	firstRounds: 5, onsets: 2, learnRounds: 1, learnTime: 20 * time.Millisecond, slow: 1000, fast: 5000,
	flood: 300, pathRounds: 1, pathTime: 5 * time.Millisecond, links: 3, counted: 1000, benchtime: "1x", shortBenchtime: "10x",
}
