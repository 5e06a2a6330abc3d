// SPDX-License-Identifier: GPL-2.0

#include <linux/compat.h>
#include <linux/refpage.h>

#ifdef CONFIG_REFPAGE
__rust_helper bool rust_helper_in_compat_syscall(void)
{
	return in_compat_syscall();
}

__rust_helper void rust_helper_arch_refpage_prepare(struct page *page)
{
	arch_refpage_prepare(page);
}
#endif
