//go:build !linux

package main

// machineMemory is how much memory the machine has, in octets: not known here.
func machineMemory() uint64 { return 0 }
