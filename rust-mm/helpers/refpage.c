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

__rust_helper u64 rust_helper_arch_refpage_capture_tags(struct page *page,
							struct page *source,
							unsigned long addr)
{
	return arch_refpage_capture_tags(page, source, addr);
}

__rust_helper bool rust_helper_arch_refpage_same_tags(struct page *a,
						      struct page *b)
{
	return arch_refpage_same_tags(a, b);
}

__rust_helper bool rust_helper_arch_refpage_fill_tags(struct page *page,
						      struct page *captured,
						      u64 tags, u64 even,
						      u64 odd)
{
	return arch_refpage_fill_tags(page, captured, tags, even, odd);
}

__rust_helper int
rust_helper_arch_refpage_copy_untagged(struct page *page, struct page *captured,
				       unsigned long addr,
				       struct vm_area_struct *vma)
{
	return arch_refpage_copy_untagged(page, captured, addr, vma);
}
#endif
