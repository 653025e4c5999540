package probe

import (
	"net"
	"unsafe"

	"golang.org/x/sys/windows"
)

// SystemResolvers returns the computer's name server as host:port: the first
// that an adapter that is up has. None if it is not known.
func SystemResolvers() []string {
	size := uint32(15000) // what Microsoft recommends to begin with
	for range 3 {
		buffer := make([]byte, size)
		first := (*windows.IpAdapterAddresses)(unsafe.Pointer(&buffer[0]))
		err := windows.GetAdaptersAddresses(windows.AF_UNSPEC, 0, 0, first, &size)
		if err == windows.ERROR_BUFFER_OVERFLOW {
			continue
		}
		if err != nil {
			return nil
		}
		return resolverOf(first)
	}
	return nil
}

func resolverOf(a *windows.IpAdapterAddresses) []string {
	for ; a != nil; a = a.Next {
		if a.OperStatus != windows.IfOperStatusUp {
			continue
		}
		for d := a.FirstDnsServerAddress; d != nil; d = d.Next {
			if ip := d.Address.IP(); ip != nil && !ip.IsLinkLocalUnicast() {
				return []string{net.JoinHostPort(ip.String(), "53")}
			}
		}
	}
	return nil
}
