package main

import "golang.org/x/sys/windows"

// raiseFileLimit does nothing: handles have no such limit here.
func raiseFileLimit() error { return nil }

// monotonicMicroseconds is for systemd, which is not here.
func monotonicMicroseconds() int64 { return 0 }

// freeSpace is how much a folder's volume has left for us, in octets; 0 if that is not known.
func freeSpace(dir string) uint64 {
	path, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return 0
	}
	var free uint64
	if err := windows.GetDiskFreeSpaceEx(path, &free, nil, nil); err != nil {
		return 0
	}
	return free
}

// keepOwner does nothing: what is made in a folder has the rights of the folder.
func keepOwner(string) error { return nil }
